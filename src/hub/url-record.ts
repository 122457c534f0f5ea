import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";

/** What tells a URL's content from another; kept beside the downloaded file, for a later look whether there is a newer one. */
export interface UrlRecord {
  sizeBytes: number;
  /** "" where the server has none. */
  etag: string;
  /** As the server writes it; "" where it tells none. */
  lastModified: string;
}

/** Whether a file is here whole, and as the server has it now. */
export async function isUnchanged(target: string, now: UrlRecord): Promise<boolean> {
  const [found, before] = await Promise.all([stat(target).catch(() => null), readRecord(target)]);
  if (found?.size !== now.sizeBytes || before?.sizeBytes !== now.sizeBytes) return false;
  if (now.etag !== "") return now.etag === before.etag;
  return now.lastModified !== "" && now.lastModified === before.lastModified;
}

export async function writeRecord(target: string, { sizeBytes, etag, lastModified }: UrlRecord): Promise<void> {
  await writeFile(newPath(target), JSON.stringify({ sizeBytes, etag, lastModified }));
  await rename(newPath(target), recordPath(target));
}

/** To be called before the file is replaced, so that no record ever tells of other content. */
export async function removeRecord(target: string): Promise<void> {
  await rm(recordPath(target), { force: true });
}

/** Where there may be something of a file's record. */
export function recordPaths(target: string): string[] {
  return [recordPath(target), newPath(target)];
}

function recordPath(target: string): string {
  return `${target}.llama-native.json`;
}

function newPath(target: string): string {
  return `${recordPath(target)}.new`;
}

async function readRecord(target: string): Promise<UrlRecord | undefined> {
  try {
    const found: unknown = JSON.parse(await readFile(recordPath(target), "utf8"));
    return isRecord(found) ? found : undefined;
  } catch {
    return undefined; // there is none, or it is damaged
  }
}

function isRecord(found: unknown): found is UrlRecord {
  if (typeof found !== "object" || found === null) return false;
  if (!("sizeBytes" in found) || typeof found.sizeBytes !== "number") return false;
  if (!("etag" in found) || typeof found.etag !== "string") return false;
  return "lastModified" in found && typeof found.lastModified === "string";
}
