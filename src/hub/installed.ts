import { lstat, readdir, readlink, realpath, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";

import { LlamaError } from "../errors.js";
import { nearestName } from "../validate.js";
import { modelsDirectory } from "./cache.js";
import { contentDigest, hashOfEtag } from "./checksum.js";
import { onDisk } from "./disk.js";
import {
  allSnapshots,
  blobLock,
  cachedRepositories,
  cachedSnapshots,
  pruneRefs,
  repositoryFolder,
  unusedBlobs,
} from "./hub-cache.js";
import { isInside } from "./is-inside.js";
import { fileLock, withLock } from "./lock.js";
import type { ModelFiles, RepositoryFile } from "./model-files.js";
import { groupModels, ofQuantization, unfinishedModels } from "./model-files.js";
import type { HubSource, ModelSource } from "./names.js";
import { notFound, parseSource } from "./names.js";
import { ollamaFolders, ollamaModels } from "./ollama.js";
import { partialPaths } from "./partial-file.js";
import { bytesIn } from "./pip.js";
import { quantizationOf } from "./quantization.js";
import { hintFor, isPathLike, resolveModel } from "./resolve.js";
import { hubSettings } from "./settings.js";
import { partsOf, urlPath } from "./url-path.js";
import { recordPaths } from "./url-record.js";
import type { WheelModel } from "./wheel-model.js";
import { abandonedFolders, fileOfFolder } from "./wheel-model.js";

/** A model on this disk. */
export interface InstalledModel {
  /** What commands take for it. */
  name: string;
  /** Whose folder it is in. */
  keeper: "hub" | "llama-native" | "ollama";
  quantization: string | null;
  sizeBytes: number;
  /** The file to load, and all of them. */
  path: string;
  files: readonly string[];
  /** When it was last written; milliseconds since 1970. */
  modified: number;
  /** Whether it is a split model of which parts are missing, as its download was stopped. Nothing loads such a one. */
  unfinished: boolean;
}

interface FoundFile extends RepositoryFile {
  absolutePath: string;
}

/** All models that commands would find without a download, by name, and unfinished ones. */
export async function installedModels(): Promise<InstalledModel[]> {
  const found = await Promise.all([hubModels(), ownModels(), ollamasModels()]);
  return found.flat().sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
}

/** The folders that models are kept in, whether they exist or not. */
export function modelFolders(): { path: string; holds: string }[] {
  return [
    { path: hubSettings().cache, holds: "models of the hub, shared with its other clients" },
    { path: modelsDirectory(), holds: "models from Python packages and other URLs" },
    ...ollamaFolders().map((path) => ({ path, holds: "Ollama's models, which are read and never changed" })),
  ];
}

async function hubModels(): Promise<InstalledModel[]> {
  const { cache } = hubSettings();
  const repositories = await cachedRepositories(cache);
  return (await Promise.all(repositories.map((repository) => modelsOfRepository(cache, repository)))).flat();
}

async function modelsOfRepository(cache: string, repository: string): Promise<InstalledModel[]> {
  const found = (await allSnapshots(cache, repository)).flatMap(({ files, refs }) => {
    const snapshot = `hf:${repository}${revisionOf(refs)}`;
    return foundModels(files).map((model) => ({ snapshot, model }));
  });
  const models = await Promise.all(
    found.map(({ snapshot, model }) => {
      const others = found.filter((other) => other.snapshot === snapshot).map((other) => other.model);
      return unlessRemoved(hubModel(snapshot + whichOf(model, others), model));
    }),
  );
  // The same file in several snapshots is one model, and one that is whole anywhere is not unfinished.
  const all = [...new Map(models.flat().map((model) => [`${model.name} ${model.files.join(" ")}`, model])).values()];
  const whole = new Set(all.filter(({ unfinished }) => !unfinished).flatMap(({ files }) => files));
  return all.filter(({ unfinished, files }) => !unfinished || files.some((file) => !whole.has(file)));
}

function revisionOf(refs: readonly string[]): string {
  const [ref] = refs;
  return ref === undefined || refs.includes("main") ? "" : `@${encodeURIComponent(ref)}`;
}

/** What tells a model from the others of its repository: the quantization, or where that does not its file. */
function whichOf({ quantization, files }: FoundModel, others: readonly FoundModel[]): string {
  const alike = others.filter((other) => other.quantization === quantization);
  const isUnique = new Set(alike.map((other) => other.files[0]?.path)).size === 1;
  return quantization !== null && isUnique ? `:${quantization}` : `/${files[0]?.path ?? ""}`;
}

interface FoundModel extends ModelFiles<FoundFile> {
  unfinished: boolean;
}

function foundModels(files: readonly FoundFile[]): FoundModel[] {
  return [
    ...groupModels(files).map((model) => ({ ...model, unfinished: false })),
    ...unfinishedModels(files).map((model) => ({ ...model, unfinished: true })),
  ];
}

/** Nothing where another process has removed a file meanwhile. */
async function unlessRemoved<T>(found: Promise<T>): Promise<T[]> {
  try {
    return [await found];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

async function hubModel(name: string, model: FoundModel): Promise<InstalledModel> {
  return { ...(await installed("hub", name, model)), files: await Promise.all(model.files.map(blobOf)) };
}

/** The cache's own content behind a snapshot's file; where a link leads out of the cache, that link, as what is there is not ours. */
async function blobOf({ absolutePath }: FoundFile): Promise<string> {
  const content = await realpath(absolutePath); // fails where it is gone
  const link = await readlink(absolutePath).catch(() => undefined);
  if (link === undefined) return content;
  const blob = resolve(dirname(absolutePath), link);
  const { cache } = hubSettings();
  return isInside(cache, blob) || isInside(await realpath(cache), blob) ? blob : absolutePath;
}

async function ownModels(): Promise<InstalledModel[]> {
  const folder = modelsDirectory();
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const files = await Promise.all(
    names
      .filter((name) => !name.split(sep).some((part) => part.startsWith(".")))
      .map(async (name) => {
        const absolutePath = join(folder, name);
        const found = await stat(absolutePath).catch(() => null);
        return found?.isFile() === true ? [{ path: name, sizeBytes: found.size, absolutePath }] : [];
      }),
  );
  const models = await Promise.all(
    foundModels(files.flat()).map((model) =>
      unlessRemoved(installed("llama-native", model.files[0]?.absolutePath ?? "", model)),
    ),
  );
  return models.flat();
}

async function ollamasModels(): Promise<InstalledModel[]> {
  const models = await ollamaModels();
  return models.map(({ name, path, sizeBytes, modified }) => {
    return {
      name: `ollama:${name}`,
      keeper: "ollama",
      quantization: quantizationOf(name),
      sizeBytes,
      path,
      files: [path],
      modified,
      unfinished: false,
    };
  });
}

async function installed(
  keeper: InstalledModel["keeper"],
  name: string,
  { quantization, sizeBytes, files, unfinished }: FoundModel,
): Promise<InstalledModel> {
  const path = files[0]?.absolutePath ?? "";
  const { mtimeMs } = await stat(path);
  return {
    name,
    keeper,
    quantization,
    sizeBytes,
    path,
    files: files.map(({ absolutePath }) => absolutePath),
    modified: mtimeMs,
    unfinished,
  };
}

export interface Removal {
  /** Files that were removed. */
  paths: string[];
  freedBytes: number;
}

/**
 * Removes the files of a model from the hub's cache or from ours, unfinished ones included. What Ollama or the user keeps
 * stays, and so does what another revision has too. Of several that a name may mean none, but for `all`.
 *
 * @throws LlamaError `MODEL_NOT_FOUND`, or `DOWNLOAD` while it is being downloaded
 */
export async function removeInstalled(
  source: string,
  { dryRun, all = false }: { dryRun: boolean; all?: boolean },
): Promise<Removal> {
  for (;;) {
    const { locks } = await findRemovable(source, all);
    const removal = await withLocks(source, locks, async () => {
      // Until the locks were held, others may have removed something, linked to it, or begun to download more.
      const found = await findRemovable(source, all);
      if (found.locks.some((lock) => !locks.includes(lock))) return undefined;
      if (!dryRun)
        for (const path of found.paths) await onDisk(dirname(path), () => rm(path, { force: true, recursive: true }));
      return { paths: found.paths, freedBytes: found.freedBytes };
    });
    if (removal === undefined) continue;
    if (!dryRun) await removeEmptyFolders(removal.paths);
    return removal;
  }
}

interface Removable extends Removal {
  /** Those that whoever downloads any of it holds. */
  locks: string[];
}

async function findRemovable(source: string, all: boolean): Promise<Removable> {
  const models = await matchingModels(source);
  const names = [...new Set(models.map(({ name }) => name))];
  if (names.length > 1 && !all) {
    const message = `${source} may mean several models on this disk; choose one, or remove them with --all: ${names.join(", ")}`;
    throw notFound(source, message);
  }
  const { links, kept } = await linksTo(models, await foldersOf(source));
  const files = models.flatMap((model) => model.files);
  const rests = [...(await leftovers(source, models)), ...(await copiesOf(models))];
  const contents = [...new Set([...files.filter((path) => !kept.has(path)), ...rests])];
  const paths = [...new Set([...links, ...contents])];
  if (paths.length === 0) throw await nothingInstalled(source);
  const sizes = await Promise.all(contents.map(bytesOf));
  return {
    paths,
    freedBytes: sizes.reduce((sum, size) => sum + size, 0),
    locks: [...new Set([...files, ...rests].flatMap(locksOf))].sort(),
  };
}

/** Of a file, or of all in a folder; a link has none, and what it leads to stays. */
async function bytesOf(path: string): Promise<number> {
  const found = await lstat(path).catch(() => null);
  if (found?.isSymbolicLink() === true) return 0;
  return found?.isDirectory() === true ? bytesIn(path) : (found?.size ?? 0);
}

/** The lock of whoever downloads a file; none where nobody would. */
function locksOf(path: string): string[] {
  const target = path.replace(/\.llama-native\.(incomplete|json).*$/, "");
  const [, folder, etag] = /models--([^/\\]+)[/\\]blobs[/\\]([0-9a-f]+)$/.exec(target) ?? [];
  if (folder !== undefined && etag !== undefined)
    return [blobLock(hubSettings().cache, folder.replace("--", "/"), etag)];
  return isInside(modelsDirectory(), target) ? [fileLock(fileOfFolder(target) ?? target)] : [];
}

/** Throws LlamaError `DOWNLOAD` where another process holds one of them for longer than it takes to link or remove a file. */
async function withLocks<T>(source: string, locks: readonly string[], work: () => Promise<T>): Promise<T> {
  const [lock, ...others] = locks;
  if (lock === undefined) return work();
  const held = new AbortController();
  let polls = 0;
  const onPoll = (isSilent: boolean): void => {
    if (!isSilent && ++polls > 1) held.abort(underWay(source, lock));
  };
  return withLock(lock, () => withLocks(source, others, work), { signal: held.signal, onPoll });
}

function underWay(source: string, lock: string): LlamaError {
  const message = `${source} is just being downloaded; stop that first, by Ctrl-C where it runs`;
  return new LlamaError("DOWNLOAD", message, { details: { lock } });
}

async function removeEmptyFolders(paths: readonly string[]): Promise<void> {
  for (const folder of new Set(paths.map((path) => dirname(path)))) await removeEmpty(folder);
  const { cache } = hubSettings();
  for (const repository of repositoriesOf(paths)) {
    await pruneRefs(cache, repository);
    for (const name of ["refs", "snapshots", "blobs"])
      await removeEmpty(join(repositoryFolder(cache, repository), name));
  }
}

/** Names of the repositories in whose folders files of the hub's cache are. */
function repositoriesOf(paths: readonly string[]): Set<string> {
  const folders = paths.flatMap((path) => /models--([^/\\]+)[/\\](?:blobs|snapshots)[/\\]/.exec(path)?.[1] ?? []);
  return new Set(folders.map((folder) => folder.replace("--", "/")));
}

async function matchingModels(source: string): Promise<InstalledModel[]> {
  const parsed = parseSource(source);
  const models = (await installedModels()).filter(({ keeper }) => keeper !== "ollama");
  switch (parsed.kind) {
    case "ollama":
      throw notFound(source, `${source} belongs to Ollama: \`ollama rm ${parsed.name}\` removes it`);
    case "known": {
      const { repository, wheel } = parsed.model;
      const own = wheel && models.filter(({ path }) => path === join(modelsDirectory(), wheel.fileName));
      return asWanted([...(own ?? []), ...ofRepository(models, repository, undefined)], parsed.quantization);
    }
    case "hub":
      return asWanted(
        await ofRevision(ofRepository(models, parsed.repository, parsed.file), parsed),
        parsed.quantization,
      );
    case "url": {
      const parts = partsOf(parsed.url).map(urlPath);
      return models.filter(({ files }) => files.some((path) => parts.includes(path)));
    }
    case "path":
      return models.filter(({ path, files }) => path === parsed.path || files.includes(parsed.path));
  }
}

function asWanted(models: readonly InstalledModel[], quantization: string | undefined): InstalledModel[] {
  return quantization === undefined ? [...models] : ofQuantization(models, quantization);
}

function ofRepository(
  models: readonly InstalledModel[],
  repository: string,
  file: string | undefined,
): InstalledModel[] {
  const folder = repositoryFolder(hubSettings().cache, repository) + sep;
  // Behind snapshots/<commit>/ stands what the repository calls it.
  const nameOf = (path: string): string => path.slice(folder.length).split(sep).slice(2).join("/");
  return models.filter(({ path }) => path.startsWith(folder) && (file === undefined || nameOf(path) === file));
}

/** Those of the snapshots that a revision has. */
async function ofRevision(models: readonly InstalledModel[], source: HubSource): Promise<InstalledModel[]> {
  const folders = await revisionFolders(source);
  return models.filter(({ path }) => folders.some((folder) => path.startsWith(folder)));
}

async function revisionFolders({ repository, revision }: HubSource): Promise<string[]> {
  const { cache } = hubSettings();
  const { current, earlier } = await cachedSnapshots(cache, repository, revision);
  return [...current, ...earlier].map(
    ({ commit }) => join(repositoryFolder(cache, repository), "snapshots", commit) + sep,
  );
}

/** The snapshots that a name is about: of a revision its own, else all. */
async function foldersOf(source: string): Promise<string[] | undefined> {
  const parsed = parseSource(source);
  return parsed.kind === "hub" ? revisionFolders(parsed) : undefined;
}

/** Links to the models' blobs in the snapshots of `folders`, or of every commit; `kept` are blobs that others link to. */
async function linksTo(
  models: readonly InstalledModel[],
  folders: readonly string[] | undefined,
): Promise<{ links: string[]; kept: Set<string> }> {
  const blobs = new Set(models.filter(({ keeper }) => keeper === "hub").flatMap(({ files }) => files));
  const { cache } = hubSettings();
  const links: string[] = [];
  const kept = new Set<string>();
  for (const repository of blobs.size > 0 ? await cachedRepositories(cache) : []) {
    for (const { files } of await allSnapshots(cache, repository)) {
      for (const file of files) {
        const { absolutePath } = file;
        const [blob] = await unlessRemoved(blobOf(file));
        if (blob === undefined || !blobs.has(blob)) continue;
        if (folders?.some((folder) => absolutePath.startsWith(folder)) ?? true) links.push(absolutePath);
        else kept.add(blob);
      }
    }
  }
  return { links, kept };
}

/** Downloads of the model that were not finished, and what is kept beside files of other URLs. */
async function leftovers(source: string, models: readonly InstalledModel[]): Promise<string[]> {
  const parsed = parseSource(source);
  if (parsed.kind === "ollama") return [];
  if (parsed.kind === "url" || parsed.kind === "path") {
    const targets = parsed.kind === "url" ? partsOf(parsed.url).map(urlPath) : partsOf(parsed.path);
    const files = [...targets, ...models.flatMap((model) => model.files)];
    const ours = files.filter((path) => isInside(modelsDirectory(), path));
    return present(ours.flatMap((path) => [...partialPaths(path), ...recordPaths(path)]));
  }
  const wheel = parsed.kind === "known" ? parsed.model.wheel : undefined;
  const ofWheel = wheel !== undefined && isOfWheel(wheel, parsed.quantization) ? await abandonedFolders(wheel) : [];
  return [...ofWheel, ...(await leftoversOfRepository(parsed))];
}

function isOfWheel({ fileName }: WheelModel, quantization: string | undefined): boolean {
  return (
    quantization === undefined || ofQuantization([{ quantization: quantizationOf(fileName) }], quantization).length > 0
  );
}

async function leftoversOfRepository(parsed: Extract<ModelSource, { kind: "known" | "hub" }>): Promise<string[]> {
  // Which quantization a blob belongs to only the hub knows: with the whole repository go all of them.
  if (parsed.quantization !== undefined || (parsed.kind === "hub" && parsed.file !== undefined)) return [];
  const repository = parsed.kind === "known" ? parsed.model.repository : parsed.repository;
  const { cache } = hubSettings();
  const folder = join(repositoryFolder(cache, repository), "blobs");
  const names = await readdir(folder).catch(() => []);
  const unfinished = names
    .filter((name) => name.includes(".llama-native.incomplete"))
    .map((name) => join(folder, name));
  return [...unfinished, ...(await unusedBlobs(cache, repository))];
}

/** Blobs of which these models' files are copies, where a client could not link them. */
async function copiesOf(models: readonly InstalledModel[]): Promise<string[]> {
  const files = models.filter(({ keeper }) => keeper === "hub").flatMap((model) => model.files);
  const copies = files.filter((path) => /models--[^/\\]+[/\\]snapshots[/\\]/.test(path));
  const found: string[] = [];
  for (const repository of repositoriesOf(copies)) {
    for (const blob of await unusedBlobs(hubSettings().cache, repository)) {
      for (const file of files) if (await isCopy(blob, file)) found.push(blob);
    }
  }
  return found;
}

async function isCopy(blob: string, file: string): Promise<boolean> {
  const [one, other] = await Promise.all([blob, file].map((path) => stat(path).catch(() => null)));
  if (!one || other?.size !== one.size) return false;
  const { algorithm, digest } = hashOfEtag(basename(blob));
  return (await contentDigest(file, other.size, algorithm)) === digest;
}

async function present(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    paths.map(async (path) => ((await stat(path).catch(() => null)) === null ? [] : [path])),
  );
  return found.flat();
}

/** Folders that have become empty, up to the one of the repository. */
async function removeEmpty(folder: string): Promise<void> {
  const roots = [hubSettings().cache, modelsDirectory()];
  for (let path = folder; roots.some((root) => isInside(root, path)); path = dirname(path)) {
    try {
      await rmdir(path);
    } catch {
      return; // something else is in it
    }
  }
}

async function nothingInstalled(source: string): Promise<Error> {
  const parsed = parseSource(source);
  if (parsed.kind === "path" && (await stat(parsed.path).catch(() => null)) !== null) {
    const message = `${parsed.path} is in none of the folders that \`llama-native models where\` lists: remove it yourself`;
    return notFound(source, message);
  }
  const names = (await installedModels()).filter(({ keeper }) => keeper !== "ollama").map(({ name }) => name);
  const near = nearestName(source, names);
  if (near !== undefined) return notFound(source, `${source} is not on this disk. Did you mean ${near}?`);
  const isMisspelt = parsed.kind === "path" && !isPathLike(source);
  const hint = isMisspelt ? hintFor(source) : "`llama-native models list` shows what is";
  return notFound(source, `${source} is not on this disk. ${hint}`);
}

/**
 * The file of a model on this disk, of the first one where it is split; nobody is asked for another.
 *
 * @throws LlamaError `MODEL_NOT_FOUND`
 */
export async function installedFile(source: string): Promise<string> {
  try {
    return await resolveModel(source, { offline: true });
  } catch (error) {
    if (!(error instanceof LlamaError) || error.details["reason"] !== "offline") throw error;
    const found = error.details["found"];
    const message = `${source} is not on this disk${typeof found === "string" ? `: ${found}` : ""}`;
    throw notFound(
      source,
      `${message}. Only this disk was looked at; \`llama-native pull ${source}\` asks for it`,
      error,
    );
  }
}
