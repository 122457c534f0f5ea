import { nearestNames } from "../validate.js";
import { knownModels } from "./catalogue.js";
import { request, type RequestOptions } from "./http.js";
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
  const hub = { hubUrl: settings.endpoint, fetch: hubFetch({ ...options, name, revision, settings }) };
  const { sha } = await modelInfo({ ...hub, name, revision, additionalFields: ["sha"] });
  const files: RemoteFile[] = [];
  for await (const { type, path, size, lfs, oid } of listFiles({
    ...hub,
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

type AskOptions = Pick<RequestOptions, "signal" | "onPause">;

interface Asked extends AskOptions {
  name: string;
  revision: string;
  settings: HubSettings;
}

/** For the hub's own client: with our retries, proxies and errors. */
function hubFetch({ name, revision, settings, signal, onPause }: Asked): typeof fetch {
  const send = async (url: string): Promise<unknown> => {
    const { token } = settings;
    const response = await request(url, { headers: { accept: "application/json" }, token, signal, onPause });
    if (response.ok) return response;
    const near = isMissing(response) ? await similarRepositories(name, settings, signal) : [];
    throw hubFailure(response, { repository: name, revision, near }, settings);
  };
  return send as unknown as typeof fetch;
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
