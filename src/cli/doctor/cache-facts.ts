import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

import { cacheDirectory } from "../../hub/index.js";

export interface CacheFacts {
  readonly path: string;
  readonly sizeBytes: number;
  /** What is directly in it, the largest first. */
  readonly entries: readonly { readonly name: string; readonly sizeBytes: number }[];
}

export async function measureCache(): Promise<CacheFacts> {
  const path = cacheDirectory();
  const names = await readdir(path).catch(() => []); // it is made when it is first needed
  const entries = await Promise.all(names.map(async (name) => ({ name, sizeBytes: await sizeOf(join(path, name)) })));
  entries.sort((a, b) => b.sizeBytes - a.sizeBytes);
  return { path, sizeBytes: entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), entries };
}

/** Bytes of a file, or of all files in a folder, some of which may vanish meanwhile. */
async function sizeOf(path: string): Promise<number> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return 0;
  if (!found.isDirectory()) return found.size;
  const names = await readdir(path).catch(() => []);
  let sum = 0;
  for (const name of names) sum += await sizeOf(join(path, name));
  return sum;
}
