import { Response } from "undici";

import { LlamaError } from "../errors.js";
import { nearestNames } from "../validate.js";
import { knownModels } from "./catalogue.js";
import { request, requestBody, type RequestOptions } from "./http.js";
import { hubFailure, isMissing } from "./hub-errors.js";
import type { RepositoryFile } from "./model-files.js";
import { checkEndpoint, type HubSettings } from "./settings.js";

export interface RemoteRepository {
  name: string;
  revision: string;
  /** The commit that the revision names now. */
  commit: string;
  files: RemoteFile[];
}

export interface RemoteFile extends RepositoryFile {
  /** Names the content in the cache: the SHA-256 of large files, git's hash of small ones. */
  etag: string;
}

/** Asks the hub which files a repository has. Throws LlamaError `MODEL_NOT_FOUND` or `DOWNLOAD`. */
export async function listRepository(
  name: string,
  revision: string,
  settings: HubSettings,
  options: AskOptions = {},
): Promise<RemoteRepository> {
  checkEndpoint(settings);
  const { listFiles, modelInfo } = await import("@huggingface/hub");
  const asked = { ...options, name, revision, settings };
  const hubUrl = settings.endpoint;
  const infoFetch = hubFetch(asked, isModelInfo);
  const { sha } = await modelInfo({ hubUrl, fetch: infoFetch, name, revision, additionalFields: ["sha"] });
  const files: RemoteFile[] = [];
  for await (const { type, path, size, lfs, oid } of listFiles({
    hubUrl,
    fetch: hubFetch(asked, isFileList),
    repo: name,
    revision: sha,
    recursive: true,
  })) {
    if (type === "file") files.push({ path, sizeBytes: lfs?.size ?? size, etag: lfs?.oid ?? oid ?? "" });
  }
  return { name, revision, commit: sha, files };
}

/** Where the hub gives a file of a commit. */
export function resolveUrl(
  { name, commit }: RemoteRepository,
  { path }: RemoteFile,
  { endpoint }: HubSettings,
): string {
  return `${endpoint}/${name}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
}

type AskOptions = Pick<RequestOptions, "signal" | "onPause" | "tries">;

interface Asked extends AskOptions {
  name: string;
  revision: string;
  settings: HubSettings;
}

/** More than a page of any list has; in bytes. */
const longestAnswer = 64 << 20;

/** For the hub's own client: with our retries, proxies and errors, and answers that are whole and what it expects. */
function hubFetch(
  { name, revision, settings, ...options }: Asked,
  isExpected: (json: unknown) => boolean,
): typeof fetch {
  const send = async (url: string): Promise<unknown> => {
    const { token } = settings;
    const asked = { headers: { accept: "application/json" }, token, ...options };
    const { response, body } = await requestBody(url, asked, longestAnswer);
    if (!response.ok) {
      const near = isMissing(response) ? await similarRepositories(name, settings, options.signal) : [];
      throw hubFailure(response, { repository: name, revision, near }, settings);
    }
    const text = body.toString();
    if (!isExpected(parseJson(text))) throw notOfHub(response);
    return new Response(text, { status: response.status, headers: response.headers });
  };
  return send as unknown as typeof fetch;
}

/** Undefined where it is none. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isModelInfo(json: unknown): boolean {
  return typeof json === "object" && json !== null && "sha" in json && typeof json.sha === "string";
}

function isFileList(json: unknown): boolean {
  return Array.isArray(json) && json.every(isFileEntry);
}

function isFileEntry(entry: unknown): boolean {
  if (typeof entry !== "object" || entry === null || !("path" in entry) || typeof entry.path !== "string") return false;
  return "size" in entry && typeof entry.size === "number";
}

/** As good as no answer, so that the cache is used where it can be. */
function notOfHub({ url }: Response): LlamaError {
  const { host } = new URL(url);
  return new LlamaError(
    "DOWNLOAD",
    `${host} answered with something else than a list of files. Does this network want a login first, by a page in a browser? Else check HF_ENDPOINT.`,
    { details: { host, reason: "unreachable" } },
  );
}

/** How many names are suggested, and how long they are looked for, in milliseconds. */
const suggestions = 3;
const patience = 5000;

/**
 * Repositories with GGUF files whose names resemble one that is not there. The hub looks for parts of names and for whole
 * owners, so that a misspelt name is found by its owner, or by a part that is spelt well.
 */
async function similarRepositories(
  name: string,
  settings: HubSettings,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const [owner = "", title = ""] = name.split("/");
  const limited = AbortSignal.any([AbortSignal.timeout(patience), ...(signal === undefined ? [] : [signal])]);
  const queries: Record<string, string>[] = [
    { author: owner, limit: "200" },
    ...partsOfTitle(title).map((search) => ({ search, limit: "50" })),
  ];
  const found = await Promise.all(queries.map((query) => findRepositories(query, settings, limited)));
  signal?.throwIfAborted();
  const candidates = [...new Set([...knownModels().map(({ repository }) => repository), ...found.flat()])];
  const others = candidates.filter((candidate) => candidate !== name);
  const ofTitle = others.filter((other) => other.split("/")[1]?.toLowerCase() === title.toLowerCase());
  return [...new Set([...nearestNames(name, others), ...ofTitle])].slice(0, suggestions).map((near) => `hf:${near}`);
}

/** A title, and what of it is left without its first or last word, where the mistake may be. */
function partsOfTitle(title: string): string[] {
  const parts = [title, title.replace(/^[^-_.]+[-_.]/, ""), title.replace(/[-_.][^-_.]+$/, "")];
  return [...new Set(parts)].filter((part) => part.length > 2);
}

async function findRepositories(
  query: Record<string, string>,
  { endpoint, token }: HubSettings,
  signal: AbortSignal,
): Promise<string[]> {
  const parameters = new URLSearchParams({ filter: "gguf", sort: "downloads", ...query });
  try {
    const response = await request(`${endpoint}/api/models?${parameters.toString()}`, { token, signal });
    const found = response.ok ? ((await response.json()) as { id?: unknown }[]) : [];
    return found.map(({ id }) => id).filter((id) => typeof id === "string");
  } catch {
    return []; // it is only a hint
  }
}
