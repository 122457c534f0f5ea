import type { Hash } from "node:crypto";
import { createHash } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A repository as the hub has it. */
export interface Repository {
  /** Contents by path. Files of `lfsBytes` and more are kept as the hub keeps large files. */
  files: Record<string, Buffer>;
  commit?: string;
  /** Branches and tags besides `main`, which name what `main` does. */
  refs?: string[];
  gated?: boolean;
  private?: boolean;
}

/** How the server behaves to one request; what is left out is as usual. */
export interface Behaviour {
  /** Answers with this status instead. */
  status?: number;
  headers?: Record<string, string>;
  /** Answers with this text instead, of a list or with a status. */
  body?: string;
  /** Ends the connection after so many bytes of a body. */
  cutAfter?: number;
  /** Sends so many bytes and then nothing more, with the connection open. */
  stallAfter?: number;
  /** Changes a byte of the content. */
  corrupt?: boolean;
  /** Sends the whole file whatever range is asked for. */
  noRanges?: boolean;
  /** Sends so many bytes of a range and calls them all of it. */
  lessThanAsked?: number;
  /** Bytes a second. */
  rate?: number;
}

export interface Request {
  method: string;
  path: string;
  range: string | undefined;
  ifRange: string | undefined;
  authorization: string | undefined;
  /** Whether it came to the host that keeps large files. */
  storage: boolean;
  /** Bytes of the body that were handed to the connection. */
  sentBytes: number;
}

export interface HubServer {
  url: string;
  /** The same server by another name, which is not known for a hub's. */
  plainUrl: string;
  repositories: Map<string, Repository>;
  requests: Request[];
  /** Asked before each answer. */
  behave: (request: Request) => Behaviour | undefined;
  /** Tokens that are valid, and whether they may read gated repositories. */
  tokens: Map<string, boolean>;
  /** Bytes of contents that were sent. */
  sentBytes(): number;
  close(): Promise<void>;
}

const lfsBytes = 64 * 1024;

/** A server that speaks the hub's protocol: metadata, files with redirects to a second host for large ones, and errors. */
export async function startHub(repositories: Record<string, Repository> = {}): Promise<HubServer> {
  const hub: HubServer = {
    url: "",
    plainUrl: "",
    repositories: new Map(Object.entries(repositories)),
    requests: [],
    behave: () => undefined,
    tokens: new Map(),
    sentBytes: () => hub.requests.reduce((sum, request) => sum + request.sentBytes, 0),
    close: async () => {
      await Promise.all([closeServer(front), closeServer(storage)]);
    },
  };
  let storageUrl = "";
  const front = createServer((request, response) => void serve(request, response, false));
  const storage = createServer((request, response) => void serve(request, response, true));
  hub.url = await listen(front);
  hub.plainUrl = hub.url.replace("127.0.0.1", "localhost");
  storageUrl = await listen(storage);

  async function serve(incoming: IncomingMessage, response: ServerResponse, isStorage: boolean): Promise<void> {
    const url = new URL(incoming.url ?? "/", hub.url);
    const request: Request = {
      method: incoming.method ?? "GET",
      path: url.pathname,
      range: incoming.headers.range,
      ifRange: incoming.headers["if-range"]?.toString(),
      authorization: incoming.headers.authorization,
      storage: isStorage,
      sentBytes: 0,
    };
    hub.requests.push(request);
    const behaviour = hub.behave(request) ?? {};
    if (behaviour.status !== undefined) {
      response.writeHead(behaviour.status, behaviour.headers).end(behaviour.body);
      return;
    }
    const answer = isStorage ? fromStorage(url) : (fromApi(url, request) ?? fromResolve(url, request));
    if ("status" in answer) {
      const body = Buffer.from(behaviour.body ?? answer.body);
      response.writeHead(answer.status, { ...answer.headers, "content-length": String(body.length) });
      await sendBody(response, body, behaviour, () => undefined);
      return;
    }
    await send(request, response, answer, behaviour);
  }

  function access(name: string, { authorization }: Request): Answer | Repository {
    const token = authorization?.replace("Bearer ", "");
    const repository = hub.repositories.get(name);
    if (token !== undefined && !hub.tokens.has(token))
      return failed(401, "", "Invalid credentials in Authorization header");
    const hidden = repository === undefined || (repository.private === true && token === undefined);
    // The hub does not tell strangers whether a private repository exists.
    if (hidden) return failed(token === undefined ? 401 : 404, "RepoNotFound", "Repository not found");
    return repository;
  }

  function mayRead(name: string, repository: Repository, { authorization }: Request): Answer | undefined {
    const token = authorization?.replace("Bearer ", "");
    if (repository.gated !== true || (token !== undefined && hub.tokens.get(token) === true)) return undefined;
    return failed(token === undefined ? 401 : 403, "GatedRepo", `Access to model ${name} is restricted`);
  }

  function fromApi(url: URL, request: Request): Answer | undefined {
    if (url.pathname === "/api/models") {
      const { author, search = "", filter, limit } = Object.fromEntries(url.searchParams);
      // As strict as the hub: the owner's whole name, a part of the repository's, and those with such files alone.
      const found = [...hub.repositories].filter(
        ([name, repository]) =>
          (author === undefined || name.split("/")[0] === author) &&
          name.toLowerCase().includes(search.toLowerCase()) &&
          (filter !== "gguf" || Object.keys(repository.files).some((path) => path.endsWith(".gguf"))) &&
          repository.private !== true,
      );
      return json(found.slice(0, Number(limit ?? 1000)).map(([id]) => ({ id })));
    }
    const [, name, kind, revision] =
      /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)/.exec(url.pathname) ?? [];
    if (name === undefined || revision === undefined) return undefined;
    const repository = access(name, request);
    if ("status" in repository) return repository;
    const commit = commitOf(repository);
    if (!["main", "HEAD", commit, ...(repository.refs ?? [])].includes(decodeURIComponent(revision))) {
      return failed(404, "RevisionNotFound", `Invalid rev id: ${revision}`);
    }
    if (kind === "revision") {
      return json({ _id: "1", id: name, sha: commit, private: false, gated: repository.gated === true ? "auto" : false,
        downloads: 1, likes: 1, lastModified: "2024-01-01T00:00:00.000Z" }); // prettier-ignore
    }
    const entries = Object.entries(repository.files).map(([path, content]) => treeEntry(path, content));
    const page = Number(url.searchParams.get("cursor") ?? 0);
    const next = new URL(url);
    next.searchParams.set("cursor", String(page + 1));
    const more = entries.length > (page + 1) * pageSize ? { link: `<${next.href}>; rel="next"` } : {};
    return json(entries.slice(page * pageSize, (page + 1) * pageSize), more);
  }

  function fromResolve(url: URL, request: Request): Answer | Content {
    const [, name, revision, file] = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname) ?? [];
    if (name === undefined || file === undefined) return failed(404, "", "Not found");
    const repository = access(name, request);
    if ("status" in repository) return repository;
    const denied = mayRead(name, repository, request);
    if (denied) return denied;
    const content = repository.files[decodeURIComponent(file)];
    const headers = { "x-repo-commit": commitOf(repository) };
    if (content === undefined)
      return failed(404, "EntryNotFound", `Entry not found: ${revision ?? ""}/${file}`, headers);
    if (content.length < lfsBytes) return { content, headers: { ...headers, etag: `"${gitHash(content)}"` } };
    const digest = sha256(content);
    const location = `${storageUrl}/${digest}?repository=${name}&expires=soon`;
    const linked = { "x-linked-size": String(content.length), "x-linked-etag": `"${digest}"` };
    return { status: 302, headers: { ...headers, ...linked, location }, body: "" };
  }

  function fromStorage(url: URL): Answer | Content {
    for (const { files } of hub.repositories.values()) {
      for (const content of Object.values(files)) {
        if (content.length >= lfsBytes && url.pathname === `/${sha256(content)}`) {
          return { content, headers: { etag: `"${sha256(content).slice(0, 32)}"` } };
        }
      }
    }
    return failed(404, "", "NoSuchKey");
  }

  return hub;
}

const pageSize = 3;

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

interface Content {
  content: Buffer;
  headers: Record<string, string>;
}

async function send(request: Request, response: ServerResponse, answer: Content, behaviour: Behaviour): Promise<void> {
  const { content } = answer;
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.range ?? "") ?? [];
  const hasChanged = request.ifRange !== undefined && request.ifRange !== answer.headers["etag"];
  const isPart = first !== undefined && behaviour.noRanges !== true && !hasChanged;
  const start = isPart ? Number(first) : 0;
  const end = isPart && last !== "" ? Math.min(Number(last), content.length - 1) : content.length - 1;
  let body = content.subarray(start, end + 1);
  if (isPart && behaviour.lessThanAsked !== undefined) body = body.subarray(0, behaviour.lessThanAsked);
  if (behaviour.corrupt === true) {
    body = Buffer.from(body);
    body[body.length >> 1]! ^= 0xff;
  }
  response.writeHead(isPart ? 206 : 200, {
    ...answer.headers,
    ...behaviour.headers,
    "content-length": String(body.length),
    ...(behaviour.noRanges === true ? {} : { "accept-ranges": "bytes" }),
    ...(isPart ? { "content-range": `bytes ${start}-${end}/${content.length}` } : {}),
  });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  await sendBody(response, body, behaviour, (bytes) => (request.sentBytes += bytes));
}

async function sendBody(
  response: ServerResponse,
  body: Buffer,
  behaviour: Behaviour,
  onSent: (bytes: number) => void,
): Promise<void> {
  const limit = Math.min(body.length, behaviour.cutAfter ?? Infinity, behaviour.stallAfter ?? Infinity);
  const step = behaviour.rate === undefined ? 256 * 1024 : Math.max(1024, Math.ceil(behaviour.rate / 50));
  const closed = once(response, "close");
  for (let position = 0; position < limit && !response.destroyed; position += step) {
    const piece = body.subarray(position, Math.min(limit, position + step));
    onSent(piece.length);
    if (!response.write(piece)) await Promise.race([once(response, "drain"), closed]);
    if (behaviour.rate !== undefined) await sleep(20);
  }
  if (behaviour.cutAfter !== undefined && limit < body.length) {
    await sleep(10); // until what was written has left
    response.destroy();
  } else if (behaviour.stallAfter === undefined || limit === body.length) response.end();
}

function once(response: ServerResponse, event: string): Promise<void> {
  return new Promise((resolve) => response.once(event, () => resolve()));
}

function treeEntry(path: string, content: Buffer): object {
  const entry = { type: "file", path, size: content.length, oid: gitHash(content) };
  if (content.length < lfsBytes) return entry;
  return { ...entry, lfs: { oid: sha256(content), size: content.length, pointerSize: 134 } };
}

function json(body: unknown, headers: Record<string, string> = {}): Answer {
  return { status: 200, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
}

function failed(status: number, code: string, message: string, headers: Record<string, string> = {}): Answer {
  const reason = code === "" ? {} : { "x-error-code": code };
  const head = { "content-type": "application/json", "x-error-message": message, ...reason, ...headers };
  return { status, headers: head, body: JSON.stringify({ error: message }) };
}

/** Changes with the content, as commits do. */
export function commitOf({ commit, files }: Repository): string {
  if (commit !== undefined) return commit;
  const hash = createHash("sha1");
  for (const [path, content] of Object.entries(files)) hash.update(path).update(gitHash(content));
  return hash.digest("hex");
}

export function sha256(content: Buffer): string {
  return hashOf("sha256", content, (hash) => hash.update(content));
}

export function gitHash(content: Buffer): string {
  return hashOf("sha1", content, (hash) => hash.update(`blob ${content.length}\0`).update(content));
}

const hashes = { sha1: new WeakMap<Buffer, string>(), sha256: new WeakMap<Buffer, string>() };

/** Contents are replaced, never changed, and every request asks for their hashes. */
function hashOf(algorithm: keyof typeof hashes, content: Buffer, update: (hash: Hash) => Hash): string {
  const known = hashes[algorithm].get(content);
  if (known !== undefined) return known;
  const found = update(createHash(algorithm)).digest("hex");
  hashes[algorithm].set(content, found);
  return found;
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
