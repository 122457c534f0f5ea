import { stat } from "node:fs/promises";
import { dirname } from "node:path";

import type { Response } from "undici";

import { LlamaError } from "../errors.js";
import { allocatedBytes, checkRoom, makeFolder, onDisk } from "./disk.js";
import type { Seen } from "./download.js";
import { defaultConnections, download } from "./download.js";
import type { RequestOptions } from "./http.js";
import { isUnreachable, requestBody, triesBesideCache } from "./http.js";
import { fileLock, withLock } from "./lock.js";
import { notFound } from "./names.js";
import { partialBytes, partialPath } from "./partial-file.js";
import { ProgressMeter } from "./progress.js";
import type { FetchOptions } from "./fetch-options.js";
import type { RemoteBytes } from "./remote-bytes.js";
import { remoteBytes } from "./remote-bytes.js";
import { hubSettings } from "./settings.js";
import { fileNameOf, partsOf, urlPath, withoutSignature } from "./url-path.js";
import type { UrlRecord } from "./url-record.js";
import { isUnchanged, removeRecord, writeRecord } from "./url-record.js";

/**
 * The file of a URL, downloaded where it is not there, or where it is to be refreshed and the server has another one. Of a split
 * model the URL of the first file stands for all.
 *
 * @throws LlamaError `MODEL_NOT_FOUND` or `DOWNLOAD`; the signal's reason when cancelled
 */
export async function urlModelFile(url: string, options: FetchOptions): Promise<string> {
  const urls = partsOf(url);
  const missing = await findMissing(urls);
  const isHere = missing.length === 0;
  const offline = options.offline ?? hubSettings().offline;
  if (isHere && (options.refresh !== true || offline)) return urlPath(url);
  if (offline) {
    throw new LlamaError("DOWNLOAD", `${url} is not in the cache, and nothing is downloaded as it is offline`, {
      details: { source: url, reason: "offline" },
    });
  }
  let files;
  try {
    files = await askAboutAll(options.refresh === true ? urls : missing, isHere, options);
  } catch (error) {
    if (!isHere || !isUnreachable(error)) throw error;
    return urlPath(url);
  }
  await fetchAll(await changedAmong(files), options);
  return urlPath(url);
}

/** Requests at once; a name can speak of any number of parts. */
const mostQuestions = 8;

async function askAboutAll(urls: readonly string[], isHere: boolean, options: FetchOptions): Promise<UrlFile[]> {
  const meter = new ProgressMeter(0, options.onDownload);
  const tries = isHere ? triesBesideCache : undefined;
  const ask = async (url: string): Promise<UrlFile> => {
    return { ...(await askAbout(url, { ...asking(url, meter, options), tries })), url };
  };
  const files: UrlFile[] = [];
  for (let next = 0; next < urls.length; next += mostQuestions) {
    files.push(...(await Promise.all(urls.slice(next, next + mostQuestions).map(ask))));
  }
  return files;
}

async function changedAmong(files: readonly UrlFile[]): Promise<UrlFile[]> {
  const unchanged = await Promise.all(files.map((file) => isUnchanged(urlPath(file.url), file)));
  return files.filter((_, index) => unchanged[index] !== true);
}

async function fetchAll(files: readonly UrlFile[], options: FetchOptions): Promise<void> {
  const meter = new ProgressMeter(
    files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    options.onDownload,
  );
  await checkRoomForAll(files);
  for (const file of files) {
    await fetchFile(file, meter, options);
    meter.fileDone(file.sizeBytes);
  }
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

async function findMissing(urls: readonly string[]): Promise<string[]> {
  const found = await Promise.all(urls.map(async (url) => (await stat(urlPath(url)).catch(() => null)) !== null));
  return urls.filter((_, index) => found[index] !== true);
}

interface UrlFile extends Seen, UrlRecord {
  url: string;
}

type AskOptions = Pick<RequestOptions, "signal" | "onPause" | "tries">;

/** Tells pauses as those of the file. */
function asking(url: string, meter: ProgressMeter, { signal }: FetchOptions): AskOptions {
  return { signal, onPause: (milliseconds) => meter.pause(fileNameOf(url), milliseconds) };
}

async function askAbout(url: string, options: AskOptions): Promise<Omit<UrlFile, "url">> {
  // A few bytes, as not every server answers HEAD as it answers GET, and some answer with a page to log in.
  const headers = { range: "bytes=0-3", "accept-encoding": "identity" };
  const { response, body } = await requestBody(url, { headers, ...options }, 4);
  if (!response.ok) throw urlFailure(url, response);
  const magic = body.toString("latin1");
  if (magic !== "GGUF") {
    const message = `${url} is not a GGUF file: expected it to begin with GGUF but received ${JSON.stringify(magic)}`;
    throw new LlamaError("DOWNLOAD", message, { details: { url } });
  }
  const told = (name: string): string => response.headers.get(name) ?? "";
  const total = /\/(\d+)$/.exec(told("content-range"))?.[1];
  const sizeBytes = Number((total ?? (response.status === 200 ? told("content-length") : "")) || NaN);
  if (Number.isSafeInteger(sizeBytes) && sizeBytes > 0)
    return { sizeBytes, location: response.url, etag: told("etag"), lastModified: told("last-modified") };
  throw new LlamaError("DOWNLOAD", `${new URL(url).host} does not tell the size of ${fileNameOf(url)}`, {
    details: { url },
  });
}

/** A URL's file to read parts of, without downloading it. */
export async function remoteUrl(url: string, signal: AbortSignal | undefined): Promise<RemoteBytes> {
  const { sizeBytes } = await askAbout(url, { signal });
  return remoteBytes({ url, sizeBytes, signal, failure: (response) => urlFailure(url, response) });
}

async function fetchFile(asked: UrlFile, meter: ProgressMeter, options: FetchOptions): Promise<void> {
  const target = urlPath(asked.url);
  const folder = dirname(target);
  const { signal, refresh } = options;
  const before = (await stat(target).catch(() => null))?.mtimeMs;
  const work = async (): Promise<void> => {
    const now = (await stat(target).catch(() => null))?.mtimeMs;
    if (now !== undefined && (refresh !== true || now !== before)) return; // another process was first
    await onDisk(folder, () => removeRecord(target));
    const fetched = await transferLatest(asked, meter, options);
    await onDisk(folder, () => writeRecord(target, fetched));
  };
  const onPoll = async (): Promise<void> => meter.update(fileNameOf(asked.url), "waiting", await partialBytes(target));
  await makeFolder(folder);
  await withLock(fileLock(target), work, { signal, onPoll });
}

/** What the server has when all of it has arrived. */
async function transferLatest(asked: UrlFile, meter: ProgressMeter, options: FetchOptions): Promise<UrlFile> {
  try {
    await transfer(asked, meter, options);
    return asked;
  } catch (error) {
    if (!(error instanceof LlamaError) || error.details["reason"] !== "changed") throw error;
    // What is there of the content before is of no use any more.
    const latest = { ...(await askAbout(asked.url, asking(asked.url, meter, options))), url: asked.url };
    await transfer(latest, meter, options);
    return latest;
  }
}

function transfer(
  { url, sizeBytes, etag, location }: UrlFile,
  meter: ProgressMeter,
  options: FetchOptions,
): Promise<void> {
  const { connections = defaultConnections } = options;
  return download({
    url,
    target: urlPath(url),
    sizeBytes,
    hash: null,
    key: `${withoutSignature(url)} ${etag}`,
    seen: { location, etag },
    connections,
    ...asking(url, meter, options),
    onBytes: (bytes) => meter.update(fileNameOf(url), "downloading", bytes),
    onVerify: () => undefined,
    failure: (response) => urlFailure(url, response),
  });
}

function urlFailure(url: string, { status, url: answered }: Response): LlamaError {
  const { host } = new URL(answered); // where a redirect led to, that host
  if (status === 404 || status === 410) return notFound(url, `${host} has no such file (${status}): ${url}`);
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
