import { randomUUID } from "node:crypto";
import {
  copyFile,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";

import { LlamaError } from "../errors.js";
import type { RepositoryFile } from "./model-files.js";

/**
 * The hub's own cache, as its Python client keeps it: `blobs` by hash, `snapshots` of commits with links to them, and
 * `refs` from branches to commits. What one client has downloaded the other finds.
 */

export interface CachedFile extends RepositoryFile {
  /** Where it is to be opened: in the snapshot, as the name tells the parts of a split model. */
  absolutePath: string;
}

export interface CachedSnapshot {
  commit: string;
  /** The branches and tags that named it last. */
  refs: readonly string[];
  /** GGUF files alone. */
  files: CachedFile[];
}

const folderPrefix = "models--";

export function repositoryFolder(cache: string, repository: string): string {
  return join(cache, folderPrefix + repository.replace("/", "--"));
}

/** Names of the repositories that have a folder in the cache. */
export async function cachedRepositories(cache: string): Promise<string[]> {
  const names = await readdir(cache).catch(() => []);
  return names
    .filter((name) => name.startsWith(folderPrefix))
    .map((name) => name.slice(folderPrefix.length).replace("--", "/"))
    .sort();
}

/** Where a file's content is kept. */
export function blobPath(cache: string, repository: string, etag: string): string {
  if (!isEtag(etag)) throw unusable(`the hash ${JSON.stringify(etag)}`);
  return join(repositoryFolder(cache, repository), "blobs", etag);
}

function isEtag(text: string): boolean {
  return /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(text);
}

export function snapshotPath(cache: string, repository: string, commit: string, file: string): string {
  if (!/^[0-9a-f]{40}$/.test(commit)) throw unusable(`the commit ${JSON.stringify(commit)}`);
  return join(repositoryFolder(cache, repository), "snapshots", commit, ...safeParts(file));
}

export function locksFolder(cache: string, repository: string): string {
  return join(cache, ".locks", folderPrefix + repository.replace("/", "--"));
}

/** The lock of whoever downloads a blob. */
export function blobLock(cache: string, repository: string, etag: string): string {
  return join(locksFolder(cache, repository), `${etag}.llama-native.lock`);
}

/** Everything the cache has of a repository, the newest first. */
export async function allSnapshots(cache: string, repository: string): Promise<CachedSnapshot[]> {
  const folder = join(repositoryFolder(cache, repository), "snapshots");
  const refs = await readRefs(cache, repository);
  const commits = await Promise.all(
    (await readdir(folder).catch(() => [])).map(async (commit) => ({
      commit,
      refs: refs.filter((ref) => ref.commit === commit).map(({ name }) => name),
      time: (await stat(join(folder, commit)).catch(() => null))?.mtimeMs ?? 0,
    })),
  );
  commits.sort((a, b) => b.time - a.time);
  return Promise.all(
    commits.map(async ({ commit, refs: names }) => ({
      commit,
      refs: names,
      files: await ggufFiles(join(folder, commit)),
    })),
  );
}

export interface SnapshotsOfRevision {
  /** The commit that the revision is, or named last. */
  current: CachedSnapshot[];
  /** Commits that it may have named before. */
  earlier: CachedSnapshot[];
}

/** What the cache has of a revision: of a commit exactly that, and of a tag or branch the commit that it named last. */
export async function cachedSnapshots(
  cache: string,
  repository: string,
  revision: string,
): Promise<SnapshotsOfRevision> {
  const all = await allSnapshots(cache, repository);
  const current = all.filter(({ commit, refs }) => commit === revision || refs.includes(revision));
  // Commits without a name are mostly those that the main branch had when something else was fetched.
  const earlier = revision === "main" ? all.filter(({ refs }) => refs.length === 0) : [];
  return { current, earlier };
}

async function ggufFiles(folder: string): Promise<CachedFile[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const files = await Promise.all(
    names
      .filter((name) => /\.gguf$/i.test(name))
      .map(async (name) => {
        const absolutePath = join(folder, name);
        const found = await stat(absolutePath).catch(() => null); // a link whose blob was removed
        if (found?.isFile() !== true) return [];
        return [{ path: name.split(sep).join("/"), sizeBytes: found.size, absolutePath }];
      }),
  );
  return files.flat();
}

async function readRefs(cache: string, repository: string): Promise<{ name: string; commit: string }[]> {
  const folder = join(repositoryFolder(cache, repository), "refs");
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const refs = await Promise.all(
    names.map(async (name) => {
      const commit = await readFile(join(folder, name), "utf8").catch(() => undefined); // a folder
      return commit === undefined ? [] : [{ name: name.split(sep).join("/"), commit: commit.trim() }];
    }),
  );
  return refs.flat();
}

/** Remembers which commit a branch or tag names. A cache that says so already may be one that cannot be written. */
export async function writeRef(cache: string, repository: string, revision: string, commit: string): Promise<void> {
  if (revision === commit) return;
  const path = join(repositoryFolder(cache, repository), "refs", ...safeParts(revision));
  if ((await readFile(path, "utf8").catch(() => "")).trim() === commit) return;
  // Whatever lies in refs is a branch or tag for every client: a killed process must leave nothing else there.
  const temporary = join(locksFolder(cache, repository), `ref.${randomUUID()}.llama-native`);
  await Promise.all([path, temporary].map((file) => mkdir(dirname(file), { recursive: true })));
  try {
    await writeFile(temporary, commit);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Forgets branches and tags whose snapshots were removed, which the hub's other clients would call a damaged cache. They have
 * commits without a snapshot themselves, of which they remember only what these do not have.
 */
export async function pruneRefs(cache: string, repository: string): Promise<void> {
  const folder = repositoryFolder(cache, repository);
  for (const { name, commit } of await readRefs(cache, repository)) {
    const uses = await Promise.all(
      ["snapshots", ".no_exist"].map((kind) => stat(join(folder, kind, commit)).catch(() => null)),
    );
    if (uses.some((found) => found !== null)) continue;
    await unlink(join(folder, "refs", name)).catch(() => undefined); // another user's
  }
}

/**
 * Makes a blob appear in a snapshot: by a link, or by moving it there where the file system or the user's rights have no
 * links, as the hub's other clients do.
 */
export async function linkBlob(cache: string, repository: string, blob: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  // A link that leads nowhere, or to a file of another size, is in the way.
  if ((await lstat(path).catch(() => null)) !== null) await unlink(path);
  try {
    await symlink(relative(dirname(path), blob), path);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return; // another process was first
    if (!withoutLinks.has(code)) throw error;
    // Links of a time when there were some need the blob where it is.
    if ((await linkedBlobs(cache, repository)).has(await realpath(blob))) await copyWhole(blob, path);
    else await rename(blob, path);
  }
}

/** How file systems and systems without links, or without the right to make one, refuse them. */
const withoutLinks = new Set(["EPERM", "EACCES", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL", "UNKNOWN"]);

/** Appears at `path` only when it is whole, and without a copy where the file system has hard links. */
export async function copyWhole(from: string, path: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.llama-native.incomplete`;
  try {
    await link(from, temporary).catch(() => copyFile(from, temporary));
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Every file in the snapshots of a repository, of all kinds. */
async function snapshotEntries(cache: string, repository: string): Promise<string[]> {
  const folder = join(repositoryFolder(cache, repository), "snapshots");
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.map((name) => join(folder, name));
}

/** The blobs that snapshots link to. */
async function linkedBlobs(cache: string, repository: string): Promise<Set<string>> {
  const entries = await snapshotEntries(cache, repository);
  return new Set(await Promise.all(entries.map((path) => realpath(path).catch(() => path))));
}

/** Files of this size in snapshots that are no links: where there are none, contents lie in the snapshots themselves. */
export async function unlinkedFiles(cache: string, repository: string, sizeBytes: number): Promise<string[]> {
  const entries = await snapshotEntries(cache, repository);
  const found = await Promise.all(entries.map((path) => lstat(path).catch(() => null)));
  return entries.filter((_, index) => found[index]?.isFile() === true && found[index].size === sizeBytes);
}

/** Blobs that no snapshot links to, as of a process that was killed before it could, or copied what it could not link. */
export async function unusedBlobs(cache: string, repository: string): Promise<string[]> {
  const folder = join(repositoryFolder(cache, repository), "blobs");
  const names = await readdir(folder).catch(() => []);
  const linked = await linkedBlobs(cache, repository);
  const blobs = names.filter((name) => isEtag(name)).map((name) => join(folder, name));
  const contents = await Promise.all(blobs.map((blob) => realpath(blob).catch(() => blob)));
  return blobs.filter((_, index) => !linked.has(contents[index] ?? ""));
}

function safeParts(path: string): string[] {
  const parts = path.split("/");
  const bad = parts.some((part) => part === "" || part === "." || part === ".." || /[\\:\0]/.test(part));
  if (bad) throw unusable(`the path ${JSON.stringify(path)}`);
  return parts;
}

function unusable(what: string): LlamaError {
  return new LlamaError("DOWNLOAD", `The hub answered with ${what}, which cannot be kept in its cache`);
}
