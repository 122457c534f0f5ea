import { stat } from "node:fs/promises";
import { dirname } from "node:path";

import type { Response } from "undici";

import { LlamaError } from "../errors.js";
import type { ContentHash } from "./checksum.js";
import { contentDigest } from "./checksum.js";
import { checkRoom, diskFailure, onDisk } from "./disk.js";
import { reasonOf, request, waitFor } from "./http.js";
import type { Chunk } from "./partial-file.js";
import { PartialFile } from "./partial-file.js";
import { fileNameOf } from "./url-path.js";

export interface Download {
  url: string;
  token?: string | undefined;
  /** Where it belongs when it is whole and checked. */
  target: string;
  sizeBytes: number;
  /** Null where nobody tells it. */
  hash: ContentHash | null;
  /** Tells contents of the same URL apart. */
  key: string;
  /** Where the URL led when it was asked about, and what told its content from another then. */
  seen?: Seen | undefined;
  /** Parts to fetch at once. */
  connections: number;
  signal?: AbortSignal | undefined;
  /** Called with the bytes that are there. */
  onBytes: (bytes: number) => void;
  /** Called with the bytes that are checked. */
  onVerify: (bytes: number) => void;
  /** Called before a pause, with its milliseconds. */
  onPause?: ((milliseconds: number) => void) | undefined;
  /** The error for an answer that is none of the content. */
  failure: (response: Response) => LlamaError;
}

/** How a server answered before. */
export interface Seen {
  location: string;
  /** "" where it has none. */
  etag: string;
}

/** Parts of a file to fetch at once. */
export const defaultConnections = 4;

const mebibyte = 1 << 20;
const largestChunk = 64 * mebibyte;
/** Failures in a row of one part, each without a byte of progress. */
const attempts = 5;
const firstPause = 300;
/** Statuses by which a signed address that a redirect gave tells that its time is over. */
const expired = new Set([400, 401, 403, 404, 410]);

/**
 * Downloads a file in parts, going on where an earlier process was stopped or killed, and checks it. One process at a time.
 *
 * @throws LlamaError `DOWNLOAD`; the signal's reason when cancelled. What has arrived stays for the next time.
 */
export async function download(options: Download): Promise<void> {
  const folder = dirname(options.target);
  const partial = await openPartial(options);
  let closed = false;
  try {
    await checkRoom(options.target, options.sizeBytes - (await partial.allocatedBytes()));
    await new Transfer(options, partial).run();
    await onDisk(folder, () => partial.finish());
    closed = true;
    if (await putInPlace(options, partial)) return;
    await onDisk(folder, () => partial.remove());
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    if (!closed) await partial.leave();
  }
  // What an earlier process left may have been damaged, as by a crash of the system.
  if (!partial.resumed) throw damaged(options);
  await download(options);
}

async function openPartial({ target, sizeBytes, key, hash, connections }: Download): Promise<PartialFile> {
  const share = Math.ceil(sizeBytes / (4 * connections) / mebibyte) * mebibyte;
  const chunkBytes = Math.min(largestChunk, Math.max(mebibyte, share));
  return onDisk(dirname(target), () => PartialFile.open(target, { key, sizeBytes, chunkBytes }, hash !== null));
}

/** False for content that is not what it should be. */
async function putInPlace(options: Download, partial: PartialFile): Promise<boolean> {
  const { target, sizeBytes, signal } = options;
  const folder = dirname(target);
  try {
    if (!(await isSound(options, partial.path))) return false;
    await onDisk(folder, () => partial.moveTo(target));
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    if ((await sizeOf(partial.path)) !== undefined) throw error;
  }
  // This process was stopped for so long that another one took its lock for a dead one's, and went on with its file.
  await onDisk(folder, () => partial.remove());
  if ((await sizeOf(target)) === sizeBytes && (await isSound(options, target))) return true;
  throw takenOver(options);
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => null))?.size;
}

async function isSound({ hash, sizeBytes, signal, onVerify }: Download, path: string): Promise<boolean> {
  if (hash === null) return true;
  try {
    return (await contentDigest(path, sizeBytes, hash.algorithm, { signal, onBytes: onVerify })) === hash.digest;
  } catch (error) {
    // What the callback throws is no failure of the disk.
    throw (error as NodeJS.ErrnoException).syscall === "read" ? diskFailure(dirname(path), error) : error;
  }
}

/** The requests that fetch a file's parts. */
class Transfer {
  readonly #options: Download;
  readonly #partial: PartialFile;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** Where the URL redirected to, which spares the way over it. */
  #location: string;
  #waiting: Chunk[];

  constructor(options: Download, partial: PartialFile) {
    this.#options = options;
    this.#partial = partial;
    this.#location = options.seen?.location ?? options.url;
    this.#signal = options.signal ? AbortSignal.any([options.signal, this.#stop.signal]) : this.#stop.signal;
    this.#waiting = partial.chunks.filter(({ done, length }) => done < length);
  }

  async run(): Promise<void> {
    const [first] = this.#waiting;
    this.#report();
    if (first === undefined) return;
    // The first answer tells whether the server knows ranges; one that does not sends everything, in order.
    const answer = await this.#ask([first]);
    if (answer.status === 200) return this.#fetch(this.#partial.chunks, answer);
    this.#waiting.shift();
    const workers = Array.from({ length: this.#options.connections }, async (_, index) => {
      if (index === 0) await this.#fetch([first], answer);
      for (let chunk = this.#waiting.shift(); chunk !== undefined; chunk = this.#waiting.shift())
        await this.#fetch([chunk]);
    });
    try {
      await Promise.all(workers);
    } catch (error) {
      this.#stop.abort(error);
      await Promise.allSettled(workers);
      throw error;
    }
  }

  /** Fills chunks, however often the connection breaks off, as long as something arrives each time. */
  async #fetch(chunks: readonly Chunk[], answer?: Response): Promise<void> {
    let failures = 0;
    for (let response = answer; !chunks.every(isComplete); response = undefined) {
      const before = this.#partial.doneBytes;
      let reason: unknown = new Error("the connection ended early");
      try {
        await this.#receive(response ?? (await this.#ask(chunks)), chunks);
      } catch (error) {
        this.#signal.throwIfAborted();
        if (error instanceof LlamaError) throw error;
        reason = error;
      }
      if (chunks.every(isComplete)) return;
      failures = this.#partial.doneBytes > before ? 1 : failures + 1;
      if (failures >= attempts) throw cutOff(this.#options, reason);
      await waitFor(firstPause * 2 ** (failures - 1), { signal: this.#signal, onPause: this.#onPause });
    }
  }

  /** A response with the rest of a chunk, or with everything from the first missing byte of several on. */
  async #ask(chunks: readonly Chunk[]): Promise<Response> {
    const { url, token, failure, seen } = this.#options;
    const missing = chunks.find((chunk) => !isComplete(chunk));
    const end = chunks.at(-1);
    const first = missing === undefined ? 0 : missing.start + missing.done;
    const last = end === undefined ? this.#options.sizeBytes - 1 : end.start + end.length - 1;
    // A server whose content has changed then sends all of it instead of a part. Weak tags say nothing about bytes.
    const condition: Record<string, string> = seen?.etag.startsWith('"') === true ? { "if-range": seen.etag } : {};
    const send = (address: string): Promise<Response> =>
      request(address, {
        headers: { range: `bytes=${first}-${last}`, "accept-encoding": "identity", ...condition },
        token: new URL(address).origin === new URL(url).origin ? token : undefined,
        signal: this.#signal,
        onPause: this.#onPause,
      });
    const address = this.#location;
    let response = await send(address);
    if (expired.has(response.status) && address !== url) {
      await response.body?.cancel();
      // Of several parts that meet it together another one may know the new address already.
      if (this.#location === address) this.#location = url;
      response = await send(this.#location);
    }
    if (response.status !== 200 && response.status !== 206) {
      await response.body?.cancel();
      throw failure(response);
    }
    await this.#checkAnswer(response, first);
    this.#location = response.url;
    return response;
  }

  async #checkAnswer(response: Response, first: number): Promise<void> {
    const { sizeBytes, url, seen } = this.#options;
    const { start, total } = extentOf(response);
    const etag = response.headers.get("etag") ?? "";
    const isSame = !seen?.etag || etag === "" || etag === seen.etag;
    if (isSame && total === sizeBytes && (response.status === 200 || start === first)) return;
    await response.body?.cancel();
    const how = total === sizeBytes && !isSame ? `its ETag was ${seen.etag} and is ${etag}` : undefined;
    throw new LlamaError(
      "DOWNLOAD",
      `${new URL(url).host} sends another file than it announced for ${fileNameOf(url)}: ` +
        `${how ?? `expected ${sizeBytes} bytes from ${first} on but received ${total} from ${start} on`}. ` +
        `Try again, as it may just have changed.`,
      { details: { url, reason: "changed", expectedBytes: sizeBytes } },
    );
  }

  /** Writes what arrives to where it belongs, and leaves out what is there already. */
  async #receive(response: Response, chunks: readonly Chunk[]): Promise<void> {
    // Whatever was asked for: what the answer says it begins with.
    let { start: position } = extentOf(response);
    for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      for (const chunk of chunks) {
        const begin = chunk.start + chunk.done - position;
        const end = chunk.start + chunk.length - position;
        if (begin >= 0 && begin < Math.min(end, piece.length))
          await onDisk(dirname(this.#partial.path), () => this.#partial.write(chunk, piece.subarray(begin, end)));
      }
      position += piece.length;
      this.#report();
      if (chunks.every(isComplete)) break; // ends a request that has more to come
    }
  }

  #report(): void {
    this.#tell(() => this.#options.onBytes(this.#partial.doneBytes));
  }

  readonly #onPause = (milliseconds: number): void => this.#tell(() => this.#options.onPause?.(milliseconds));

  /** What a callback throws is the end of all parts, and no failure of a connection. */
  #tell(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#stop.abort(error);
      throw error;
    }
  }
}

/** Which part of how much a response is; NaN for a size that it does not tell. */
function extentOf({ status, headers }: Response): { start: number; total: number } {
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get("content-range") ?? "");
  if (status === 206 && range !== null) return { start: Number(range[1]), total: Number(range[2]) };
  return { start: 0, total: Number(headers.get("content-length") ?? NaN) };
}

function isComplete({ done, length }: Chunk): boolean {
  return done === length;
}

function damaged({ url, hash }: Download): LlamaError {
  return new LlamaError(
    "DOWNLOAD",
    `${url} is not the file it should be: its ${hash?.algorithm === "sha256" ? "SHA-256" : "hash"} is not ${hash?.digest ?? ""}. ` +
      `It was removed. Try again; where that does not help, something between here and the server changes it.`,
    { details: { url, reason: "hash mismatch", expectedHash: hash?.digest ?? "" } },
  );
}

function takenOver({ url }: Download): LlamaError {
  return new LlamaError(
    "DOWNLOAD",
    `Another process took over the download of ${fileNameOf(url)} while this one was stopped, and has not brought it to its end. Try again.`,
    { details: { url, reason: "taken over" } },
  );
}

function cutOff({ url }: Download, cause: unknown): LlamaError {
  const { host } = new URL(url);
  return new LlamaError(
    "DOWNLOAD",
    `The connection to ${host} breaks off again and again: ${reasonOf(cause)}. What was downloaded is kept; try again.`,
    { cause, details: { host, reason: "cut off" } },
  );
}
