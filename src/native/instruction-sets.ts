import { closeSync, openSync, readSync } from "node:fs";
import { dirname, join } from "node:path";

import { readJson } from "./read-json.js";

/** One processor's entry is shorter; the whole file has an entry for each, which the kernel takes long to write. */
const entryBytes = 16 << 10;

/**
 * The instruction sets that an addon was compiled for and this machine lacks, by the kernel's names: the first instruction of
 * these would end the process with SIGILL. None where the addon's build kept no list or the machine's cannot be read.
 */
export function missingInstructionSets(addon: string): string[] {
  const needed = readNeeded(join(dirname(addon), "build.json"));
  if (needed.length === 0) return [];
  const present = readPresent();
  return present === undefined ? [] : needed.filter((name) => !present.has(name));
}

function readNeeded(stamp: string): string[] {
  const inputs = readJson(stamp)?.["inputs"] as { instructionSets?: unknown } | null | undefined;
  const list = inputs?.instructionSets; // none of an addon from elsewhere
  return typeof list === "string" && list !== "" ? list.split(" ") : [];
}

function readPresent(): ReadonlySet<string> | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    // The end of the line is asked for: of a list that is cut short, sets would seem to be missing.
    const list = /^(?:flags|Features)\s*:(.*)\n/m.exec(readStart("/proc/cpuinfo"))?.[1];
    return list === undefined ? undefined : new Set(list.trim().split(/\s+/));
  } catch {
    return undefined; // a system without /proc
  }
}

function readStart(path: string): string {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(entryBytes);
    return bytes.toString("utf8", 0, readSync(file, bytes, 0, entryBytes, 0));
  } finally {
    closeSync(file);
  }
}
