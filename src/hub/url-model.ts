import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";

import { LlamaError } from "../errors.js";
import { modelsDirectory } from "./cache.js";
import { allocatedBytes, checkRoom, makeFolder } from "./disk.js";
import type { Seen } from "./download.js";
import { defaultConnections, download, fileNameOf } from "./download.js";
import type { RequestOptions } from "./http.js";
import { request } from "./http.js";
import { fileLock, withLock } from "./lock.js";
import { notFound } from "./names.js";
import { partialBytes, partialPath } from "./partial-file.js";
import { ProgressMeter } from "./progress.js";
import type { FetchOptions } from "./fetch-options.js";
import type { RemoteBytes } from "./remote-bytes.js";
import { remoteBytes } from "./remote-bytes.js";
import { hubSettings } from "./settings.js";

/** Parts of a query that sign it for a while, and name nothing. */
const signature = /^(x-(amz|goog)-.*|signature|expires|policy|key-pair-id)$/i;

/** Where the file of a URL is kept: that of one folder of a server, asked for by one query, in one folder. */
export function urlPath(url: string): string {
  const { host, searchParams } = new URL(url);
  const query = [...searchParams].filter(([name]) => !signature.test(name));
  const asked = query.length === 0 ? "" : `?${new URLSearchParams(query).toString()}`;
  const folder = createHash("sha256")
    .update(new URL(".", url).href + asked)
    .digest("hex")
    .slice(0, 12);
  const name = fileNameOf(url).replace(/[^\w.-]/g, "_") || "model";
  const fileName = /\.gguf$/i.test(name) ? name : `${name}.gguf`;
  return join(modelsDirectory(), "downloads", `${host.replace(/[^\w.-]/g, "_")}-${folder}`, fileName);
}

/** The same for every link to it, however and until whenever that is signed. */
function withoutSignature(url: string): string {
  const unsigned = new URL(url);
  for (const name of [...unsigned.searchParams.keys()]) {
    if (signature.test(name)) unsigned.searchParams.delete(name);
  }
  return unsigned.href;
}

/**
 * The file of a URL, downloaded where it is not there; what is there is not compared with the server's again. Of a split
 * model the URL of the first file stands for all.
 *
 * @throws LlamaError `MODEL_NOT_FOUND` or `DOWNLOAD`; the signal's reason when cancelled
 */
export async function urlModelFile(url: string, options: FetchOptions): Promise<string> {
  const urls = partsOf(url);
  const missing = options.refresh === true ? urls : await findMissing(urls);
  if (missing.length > 0 && (options.offline ?? hubSettings().offline)) {
    throw new LlamaError("DOWNLOAD", `${url} is not in the cache, and nothing is downloaded as it is offline`, {
      details: { source: url, reason: "offline" },
    });
  }
  const asked = new ProgressMeter(0, options.onDownload);
  const files = await Promise.all(
    missing.map(async (part) => ({ ...(await askAbout(part, asking(part, asked, options))), url: part })),
  );
  const meter = new ProgressMeter(
    files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    options.onDownload,
  );
  await checkRoomForAll(files);
  for (const file of files) {
    await fetchFile(file, meter, options);
    meter.fileDone(file.sizeBytes);
  }
  return urlPath(url);
}

/** Before the first of many gigabytes, not after the last that fits. */
async function checkRoomForAll(files: readonly UrlFile[]): Promise<void> {
  let needed = 0;
  for (const { url, sizeBytes } of files) {
    needed += Math.max(0, sizeBytes - (await allocatedBytes(partialPath(urlPath(url)))));
  }
  const [first] = files;
  if (first === undefined) return;
  const target = urlPath(first.url);
  await makeFolder(dirname(target));
  await checkRoom(target, needed);
}

/** All files of a split model by its first one's path or URL; of any other that alone. */
export function partsOf(url: string): string[] {
  const [, before, count, after = ""] = /^(.*)-00001-of-(\d{5})(\.gguf(?:\?.*)?)$/i.exec(url) ?? [];
  if (before === undefined || count === undefined) return [url];
  return Array.from({ length: Number(count) }, (_, index) => {
    return `${before}-${String(index + 1).padStart(5, "0")}-of-${count}${after}`;
  });
}

async function findMissing(urls: readonly string[]): Promise<string[]> {
  const found = await Promise.all(urls.map(async (url) => (await stat(urlPath(url)).catch(() => null)) !== null));
  return urls.filter((_, index) => found[index] !== true);
}

interface UrlFile extends Seen {
  url: string;
  sizeBytes: number;
}

type AskOptions = Pick<RequestOptions, "signal" | "onPause">;

/** Tells pauses as those of the file. */
function asking(url: string, meter: ProgressMeter, { signal }: FetchOptions): AskOptions {
  return { signal, onPause: (milliseconds) => meter.pause(fileNameOf(url), milliseconds) };
}

async function askAbout(url: string, options: AskOptions): Promise<Omit<UrlFile, "url">> {
  // A few bytes, as not every server answers HEAD as it answers GET, and some answer with a page to log in.
  const response = await request(url, { headers: { range: "bytes=0-3", "accept-encoding": "identity" }, ...options });
  if (!response.ok) {
    await response.body?.cancel();
    throw urlFailure(url, response.status);
  }
  const magic = await firstBytes(response, 4);
  if (magic !== "GGUF") {
    const message = `${url} is not a GGUF file: expected it to begin with GGUF but received ${JSON.stringify(magic)}`;
    throw new LlamaError("DOWNLOAD", message, { details: { url } });
  }
  const total = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
  const sizeBytes = Number(total ?? (response.status === 200 ? response.headers.get("content-length") : null) ?? NaN);
  if (Number.isSafeInteger(sizeBytes) && sizeBytes > 0) {
    return { sizeBytes, location: response.url, etag: response.headers.get("etag") ?? "" };
  }
  throw new LlamaError("DOWNLOAD", `${new URL(url).host} does not tell the size of ${fileNameOf(url)}`, {
    details: { url },
  });
}

async function firstBytes({ body }: Awaited<ReturnType<typeof request>>, count: number): Promise<string> {
  let bytes = Buffer.alloc(0);
  for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
    bytes = Buffer.concat([bytes, piece]);
    if (bytes.length >= count) break; // which ends the response
  }
  return bytes.toString("latin1", 0, count);
}

/** A URL's file to read parts of, without downloading it. */
export async function remoteUrl(url: string, signal: AbortSignal | undefined): Promise<RemoteBytes> {
  const { sizeBytes } = await askAbout(url, { signal });
  return remoteBytes({ url, sizeBytes, signal, failure: ({ status }) => urlFailure(url, status) });
}

async function fetchFile(asked: UrlFile, meter: ProgressMeter, options: FetchOptions): Promise<void> {
  const { url } = asked;
  const target = urlPath(url);
  const file = fileNameOf(url);
  const { signal, connections = defaultConnections, refresh } = options;
  const before = (await stat(target).catch(() => null))?.mtimeMs;
  const work = async (): Promise<void> => {
    const now = (await stat(target).catch(() => null))?.mtimeMs;
    if (now !== undefined && (refresh !== true || now !== before)) return; // another process was first
    try {
      await transfer(asked);
    } catch (error) {
      if (!(error instanceof LlamaError) || error.details["reason"] !== "changed") throw error;
      // What is there of the content before is of no use any more.
      await transfer({ ...(await askAbout(url, asking(url, meter, options))), url });
    }
  };
  const transfer = ({ sizeBytes, etag, location }: UrlFile): Promise<void> =>
    download({
      url,
      target,
      sizeBytes,
      hash: null,
      key: `${withoutSignature(url)} ${etag}`,
      seen: { location, etag },
      connections,
      ...asking(url, meter, options),
      onBytes: (bytes) => meter.update(file, "downloading", bytes),
      onVerify: () => undefined,
      failure: ({ status }) => urlFailure(url, status),
    });
  const onPoll = async (): Promise<void> => meter.update(file, "waiting", await partialBytes(target));
  await makeFolder(dirname(target));
  await withLock(fileLock(target), work, { signal, onPoll });
}

function urlFailure(url: string, status: number): LlamaError {
  if (status === 404 || status === 410)
    return notFound(url, `${new URL(url).host} has no such file (${status}): ${url}`);
  const { host } = new URL(url);
  const message = `${host} refuses ${fileNameOf(url)} (${status}). ${adviceFor(status)}`;
  return new LlamaError("DOWNLOAD", message, { details: { url, status } });
}

function adviceFor(status: number): string {
  if (status === 401 || status === 403)
    return "No login is sent to such servers: download it with a browser or curl, and give the path of the file";
  if (status === 416)
    return "Try again; where that does not help, `llama-native models rm` with this URL removes what was begun";
  if (status === 429 || status >= 500) return "Try again later; what was downloaded is kept";
  return "Check the URL in a browser";
}
