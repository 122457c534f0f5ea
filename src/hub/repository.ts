import { nearestName } from "../validate.js";
import { knownModels } from "./catalogue.js";
import { request } from "./http.js";
import { hubFailure } from "./hub-errors.js";
import type { RepositoryFile } from "./model-files.js";
import type { HubSettings } from "./settings.js";

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
  signal?: AbortSignal,
): Promise<RemoteRepository> {
  const { listFiles, modelInfo } = await import("@huggingface/hub");
  const hub = { hubUrl: settings.endpoint, fetch: hubFetch({ name, revision, settings, signal }) };
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

interface Asked {
  name: string;
  revision: string;
  settings: HubSettings;
  signal: AbortSignal | undefined;
}

/** For the hub's own client: with our retries, proxies and errors. */
function hubFetch({ name, revision, settings, signal }: Asked): typeof fetch {
  const send = async (url: string): Promise<unknown> => {
    const { token } = settings;
    const response = await request(url, { headers: { accept: "application/json" }, token, signal });
    if (response.ok) return response;
    const isMissing = response.status === 401 || response.status === 404;
    const near = isMissing ? await similarRepositories(name, settings, signal) : [];
    throw hubFailure(response, { repository: name, revision, near }, settings);
  };
  return send as unknown as typeof fetch;
}

/** Repositories with GGUF files whose names resemble one that is not there. */
async function similarRepositories(
  name: string,
  settings: HubSettings,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const [owner = "", title = ""] = name.split("/");
  const known = nearestName(
    name,
    knownModels().map(({ repository }) => repository),
  );
  const query = new URLSearchParams({ search: title, author: owner, filter: "gguf", limit: "3" });
  const found = await request(`${settings.endpoint}/api/models?${query.toString()}`, { token: settings.token, signal })
    .then(async (response) => (response.ok ? ((await response.json()) as { id?: unknown }[]) : []))
    .catch(() => []); // it is only a hint
  signal?.throwIfAborted();
  const names = found.map(({ id }) => id).filter((id) => typeof id === "string");
  return [...new Set([...(known === undefined ? [] : [known]), ...names])].map((repository) => `hf:${repository}`);
}
