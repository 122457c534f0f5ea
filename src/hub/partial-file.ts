import type { FileHandle } from "node:fs/promises";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** A part of a file that one request asks for; `done` of its bytes are on the disk, from its start on. */
export interface Chunk {
  readonly start: number;
  readonly length: number;
  done: number;
}

interface State {
  /** Of the content that is being downloaded; parts of other content are of no use. */
  key: string;
  sizeBytes: number;
  chunkBytes: number;
  /** Bytes that are there of each chunk. */
  done: number[];
}

/** What is known of a file when it is opened. */
interface Known {
  done: readonly number[];
  /** Whether a hash will tell damage. */
  hasHash: boolean;
}

/** How far behind the file its record may be, in bytes and milliseconds: what a killed process downloads again at most. */
const saveBytes = 16 << 20;
const saveInterval = 250;

/**
 * A file that is being downloaded, at any place of it, with a record beside it of what is there. The record is always written
 * after the bytes that it tells of, so that a process may be killed at any time and another one goes on. Where no hash will tell
 * damage, those bytes are on the disk itself by then, as a loss of power would else leave a record of zeros.
 */
export class PartialFile {
  readonly path: string;
  readonly chunks: readonly Chunk[];
  /** Whether an earlier process has left something of it. */
  readonly resumed: boolean;
  readonly #handle: FileHandle;
  readonly #state: Omit<State, "done">;
  readonly #hasHash: boolean;
  #unsavedBytes = 0;
  #savedAt = Date.now();
  #saving: Promise<void> = Promise.resolve();
  #idle = true;

  private constructor(target: string, handle: FileHandle, state: Omit<State, "done">, { done, hasHash }: Known) {
    this.path = partialPath(target);
    this.#handle = handle;
    this.#state = state;
    this.#hasHash = hasHash;
    this.resumed = done.some((bytes) => bytes > 0);
    this.chunks = Array.from({ length: Math.ceil(state.sizeBytes / state.chunkBytes) }, (_, index) => {
      const start = index * state.chunkBytes;
      return { start, length: Math.min(state.chunkBytes, state.sizeBytes - start), done: done[index] ?? 0 };
    });
  }

  /** Goes on with what is there of `target`'s content, or starts anew. One process at a time. */
  static async open(target: string, fresh: Omit<State, "done">, hasHash: boolean): Promise<PartialFile> {
    const path = partialPath(target);
    await mkdir(dirname(path), { recursive: true });
    const found = await readState(target);
    const isOurs =
      found?.key === fresh.key && found.sizeBytes === fresh.sizeBytes && (await hasSize(path, fresh.sizeBytes));
    if (isOurs) return new PartialFile(target, await open(path, "r+"), found, { done: found.done, hasHash });
    await rm(statePath(target), { force: true });
    const handle = await open(path, "w+");
    try {
      await handle.truncate(fresh.sizeBytes);
    } catch (error) {
      await handle.close();
      await rm(path, { force: true });
      throw error;
    }
    return new PartialFile(target, handle, fresh, { done: [], hasHash });
  }

  get doneBytes(): number {
    return this.chunks.reduce((sum, { done }) => sum + done, 0);
  }

  /** Bytes of the disk that it takes already. */
  async allocatedBytes(): Promise<number> {
    return (await this.#handle.stat()).blocks * 512;
  }

  /** Appends to a chunk. */
  async write(chunk: Chunk, data: Uint8Array): Promise<void> {
    let offset = 0;
    while (offset < data.length) {
      const position = chunk.start + chunk.done;
      const { bytesWritten } = await this.#handle.write(data, offset, data.length - offset, position);
      offset += bytesWritten;
      chunk.done += bytesWritten;
    }
    this.#unsavedBytes += data.length;
    if (this.#idle && (this.#unsavedBytes >= saveBytes || Date.now() - this.#savedAt >= saveInterval)) void this.save();
  }

  /** Writes down what is there; never rejects, as a record that is too old does no harm. */
  async save(): Promise<void> {
    this.#idle = false;
    this.#unsavedBytes = 0;
    this.#savedAt = Date.now();
    const state: State = { ...this.#state, done: this.chunks.map(({ done }) => done) };
    const write = async (): Promise<void> => {
      if (!this.#hasHash) await this.#handle.datasync();
      await writeState(this.path, state);
    };
    this.#saving = this.#saving.then(write).catch(() => undefined);
    await this.#saving;
    this.#idle = true;
  }

  /** Closes it with the content safely on the disk. */
  async finish(): Promise<void> {
    await this.#handle.sync();
    await this.save();
    await this.#handle.close();
  }

  /** Closes it and keeps what is there for the next time, where there is anything; never rejects, as it follows a failure. */
  async leave(): Promise<void> {
    const hasSome = this.doneBytes > 0;
    if (hasSome) await this.save();
    await this.#handle.close().catch(() => undefined);
    if (!hasSome) await this.remove().catch(() => undefined);
  }

  /** To be called when closed. */
  async moveTo(target: string): Promise<void> {
    await rename(this.path, target);
    await rm(statePath(target), { force: true });
  }

  /** To be called when closed. */
  async remove(): Promise<void> {
    await rm(`${this.path}.json`, { force: true });
    await rm(this.path, { force: true });
  }
}

/** Not the name that the Python client gives its own, as older ones append to a file of theirs by its size. */
export function partialPath(target: string): string {
  return `${target}.llama-native.incomplete`;
}

/** Bytes that are there of a file which this or another process is downloading. */
export async function partialBytes(target: string): Promise<number> {
  return (await readState(target))?.done.reduce((sum, bytes) => sum + bytes, 0) ?? 0;
}

/** Where there may be something of a download that was stopped. */
export function partialPaths(target: string): string[] {
  const path = partialPath(target);
  return [path, `${path}.json`, `${path}.json.new`];
}

function statePath(target: string): string {
  return `${partialPath(target)}.json`;
}

async function writeState(path: string, state: State): Promise<void> {
  await writeFile(`${path}.json.new`, JSON.stringify(state));
  await rename(`${path}.json.new`, `${path}.json`);
}

async function readState(target: string): Promise<State | undefined> {
  try {
    const state = JSON.parse(await readFile(statePath(target), "utf8")) as State;
    return isSound(state) ? state : undefined;
  } catch {
    return undefined; // there is none, or it is from another version
  }
}

function isSound({ key, sizeBytes, chunkBytes, done }: State): boolean {
  if (typeof key !== "string" || !Number.isSafeInteger(sizeBytes) || !Number.isSafeInteger(chunkBytes)) return false;
  if (chunkBytes <= 0 || !Array.isArray(done) || done.length !== Math.ceil(sizeBytes / chunkBytes)) return false;
  return done.every((bytes, index) => {
    return Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= Math.min(chunkBytes, sizeBytes - index * chunkBytes);
  });
}

async function hasSize(path: string, sizeBytes: number): Promise<boolean> {
  return (await stat(path).catch(() => null))?.size === sizeBytes;
}
