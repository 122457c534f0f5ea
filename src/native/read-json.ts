import { readFileSync } from "node:fs";

/** What a file beside an addon or a package's manifest tells; undefined where there is none, or one cut short. */
export function readJson(path: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
