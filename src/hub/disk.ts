import { mkdir, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";

import { LlamaError } from "../errors.js";
import { modelsDirectory } from "./cache.js";

/** Failures of the folders and disks that models are kept on, in words that say what to do. */

/**
 * Runs what reads or writes files of a cache's folder.
 *
 * @throws LlamaError `DOWNLOAD` where the folder or its disk refuses
 */
export async function onDisk<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskFailure(folder, error);
  }
}

/** A folder of a cache, made where it is not there. */
export async function makeFolder(folder: string): Promise<void> {
  await onDisk(folder, () => mkdir(folder, { recursive: true }));
}

/** @throws LlamaError `DOWNLOAD` where the file system of a target's folder has no room for so many bytes more */
export async function checkRoom(target: string, neededBytes: number): Promise<void> {
  const folder = dirname(target);
  const { bavail, bsize } = await onDisk(folder, () => statfs(folder));
  const availableBytes = bavail * bsize;
  if (neededBytes <= availableBytes) return;
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
  const need = `${gigabytes(neededBytes)} are needed and ${gigabytes(availableBytes)} are free`;
  throw noRoom(folder, `There is no room on the disk of ${folder}: ${need}`, { neededBytes, availableBytes });
}

/** Bytes of the disk that a file takes; 0 where there is none. A file system may give it all of them when it is made. */
export async function allocatedBytes(path: string): Promise<number> {
  return ((await stat(path).catch(() => null))?.blocks ?? 0) * 512;
}

/** How systems say that a folder may not be written, or is none. */
const refusals = new Set(["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "ENOENT", "ELOOP", "ENAMETOOLONG"]);

/** What a file system's error means; any other error as it is. */
export function diskFailure(folder: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code = "", syscall, message } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  const kept = "what was downloaded is kept";
  if (code === "ENOSPC") return noRoom(folder, `There is no room on the disk of ${folder}; ${kept}`, {}, error);
  if (code === "EDQUOT") return noRoom(folder, `Your quota on the disk of ${folder} is used up; ${kept}`, {}, error);
  const variable = variableOf(folder);
  const what = refusals.has(code)
    ? `Cannot write to the cache folder ${folder} (${code}); ${variable} can name another one`
    : code === "EFBIG"
      ? `The file system of ${folder} takes no file of that size, as FAT32 takes none of 4 GB; let ${variable} name a folder on another one`
      : `The disk of ${folder} fails (${message}); ${kept}. Check it, or let ${variable} name a folder on another one`;
  return new LlamaError("DOWNLOAD", what, { cause: error, details: { folder, reason: "disk", errorCode: code } });
}

function noRoom(folder: string, what: string, sizes: Record<string, number>, cause?: unknown): LlamaError {
  return new LlamaError("DOWNLOAD", `${what}. Make room, or let ${variableOf(folder)} name a folder on another disk.`, {
    cause,
    details: { folder, reason: "no room", ...sizes },
  });
}

/** What decides where a folder is. */
function variableOf(folder: string): string {
  if (folder.startsWith(modelsDirectory())) return "LLAMA_NATIVE_CACHE_DIR";
  return process.env["HF_HUB_CACHE"] ? "HF_HUB_CACHE" : "HF_HOME";
}
