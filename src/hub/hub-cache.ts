import { copyFile, lstat, mkdir, readdir, readFile, rename, stat, symlink, unlink, writeFile } from "node:fs/promises";
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
  if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(etag)) throw unusable(`the hash ${JSON.stringify(etag)}`);
  return join(repositoryFolder(cache, repository), "blobs", etag);
}

export function snapshotPath(cache: string, repository: string, commit: string, file: string): string {
  if (!/^[0-9a-f]{40}$/.test(commit)) throw unusable(`the commit ${JSON.stringify(commit)}`);
  return join(repositoryFolder(cache, repository), "snapshots", commit, ...safeParts(file));
}

export function locksFolder(cache: string, repository: string): string {
  return join(cache, ".locks", folderPrefix + repository.replace("/", "--"));
}

/** What the cache has of a repository: the commit that `revision` named last comes first, then the newest. */
export async function cachedSnapshots(cache: string, repository: string, revision: string): Promise<CachedSnapshot[]> {
  const folder = join(repositoryFolder(cache, repository), "snapshots");
  const named = (await readRef(cache, repository, revision)) ?? revision;
  const commits = await Promise.all(
    (await readdir(folder).catch(() => [])).map(async (commit) => ({
      commit,
      time: (await stat(join(folder, commit)).catch(() => null))?.mtimeMs ?? 0,
    })),
  );
  commits.sort((a, b) => Number(b.commit === named) - Number(a.commit === named) || b.time - a.time);
  // A branch that moved on may have files from before; a commit is exactly what it says.
  const wanted = /^[0-9a-f]{40}$/.test(revision) ? commits.filter(({ commit }) => commit === revision) : commits;
  return Promise.all(wanted.map(async ({ commit }) => ({ commit, files: await ggufFiles(join(folder, commit)) })));
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

async function readRef(cache: string, repository: string, revision: string): Promise<string | undefined> {
  const path = join(repositoryFolder(cache, repository), "refs", ...safeParts(revision));
  return readFile(path, "utf8").then(
    (commit) => commit.trim(),
    () => undefined,
  );
}

/** Remembers which commit a branch or tag names. */
export async function writeRef(cache: string, repository: string, revision: string, commit: string): Promise<void> {
  if (revision === commit) return;
  const path = join(repositoryFolder(cache, repository), "refs", ...safeParts(revision));
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, commit);
  await rename(temporary, path);
}

/** Forgets branches and tags whose snapshots were removed, which the hub's other clients would call a damaged cache. */
export async function pruneRefs(cache: string, repository: string): Promise<void> {
  const folder = join(repositoryFolder(cache, repository), "refs");
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  for (const name of names) {
    const commit = await readFile(join(folder, name), "utf8").catch(() => undefined); // a folder
    if (commit === undefined) continue;
    const snapshot = join(repositoryFolder(cache, repository), "snapshots", commit.trim());
    if ((await stat(snapshot).catch(() => null)) === null) await unlink(join(folder, name));
  }
}

/** Makes a blob appear in a snapshot: by a link, or as a copy where the file system or the user's rights have none. */
export async function linkBlob(blob: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  // A link that leads nowhere, or to a file of another size, is in the way.
  if ((await lstat(path).catch(() => null)) !== null) await unlink(path);
  try {
    await symlink(relative(dirname(path), blob), path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return; // another process was first
    if (code !== "EPERM" && code !== "ENOSYS" && code !== "EOPNOTSUPP") throw error;
    await copyFile(blob, path);
  }
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
