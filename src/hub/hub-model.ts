import { stat } from "node:fs/promises";
import { dirname } from "node:path";

import { cachedModels, chooseCached, findCached, isCached } from "./cached-model.js";
import { contentDigest, hashOfEtag } from "./checksum.js";
import { allocatedBytes, checkRoom, makeFolder, onDisk } from "./disk.js";
import { defaultConnections, download } from "./download.js";
import type { CachedFile } from "./hub-cache.js";
import {
  blobLock,
  blobPath,
  copyWhole,
  linkBlob,
  locksFolder,
  repositoryFolder,
  snapshotPath,
  unlinkedFiles,
  writeRef,
} from "./hub-cache.js";
import { hubFailure } from "./hub-errors.js";
import { isUnreachable, triesBesideCache } from "./http.js";
import { withLock } from "./lock.js";
import type { ModelFiles } from "./model-files.js";
import { chooseModel, groupModels } from "./model-files.js";
import type { HubSource } from "./names.js";
import { partialBytes, partialPath } from "./partial-file.js";
import { ProgressMeter } from "./progress.js";
import type { RemoteFile, RemoteRepository } from "./repository.js";
import { listRepository, resolveUrl } from "./repository.js";
import type { FetchOptions } from "./fetch-options.js";
import { hubSettings, type HubSettings } from "./settings.js";

/** A model of the hub as a user asked for it. */
export interface WantedModel extends HubSource {
  /** As the user wrote it, for messages. */
  source: string;
  /** The quantization to take where none is named. */
  fallback?: string;
}

/**
 * The file of a model of the hub: from its cache where it is there, else downloaded.
 *
 * @returns the path within the cache's snapshot, of the first file of a split model
 * @throws LlamaError `MODEL_NOT_FOUND` or `DOWNLOAD`; the signal's reason when cancelled
 */
export async function hubModelFile(wanted: WantedModel, options: FetchOptions): Promise<string> {
  const settings = hubSettings();
  const offline = options.offline ?? settings.offline;
  const { current, all } = await cachedModels(settings.cache, wanted);
  const here = findCached(current, wanted);
  if (here !== undefined && options.refresh !== true) return pathOf(here);
  if (offline) return pathOf(here ?? chooseCached(all, wanted, "nothing is downloaded as it is offline"));
  let repository;
  try {
    const meter = new ProgressMeter(0, options.onDownload);
    repository = await listRepository(wanted.repository, wanted.revision, settings, {
      signal: options.signal,
      onPause: (milliseconds) => meter.pause(wanted.repository, milliseconds),
      tries: isCached(all, wanted) ? triesBesideCache : undefined,
    });
  } catch (error) {
    if (!isUnreachable(error) || all.length === 0) throw error;
    return pathOf(here ?? chooseCached(all, wanted, (error as Error).message));
  }
  const model = chooseModel(groupModels(repository.files), wanted);
  return fetchModel(repository, model, settings, options);
}

function pathOf({ files }: ModelFiles<CachedFile>): string {
  return files[0]?.absolutePath ?? "";
}

async function fetchModel(
  repository: RemoteRepository,
  model: ModelFiles<RemoteFile>,
  settings: HubSettings,
  options: FetchOptions,
): Promise<string> {
  const meter = new ProgressMeter(model.sizeBytes, options.onDownload);
  const job: Job = { repository, settings, options, meter };
  await checkRoomForAll(job, model.files);
  const paths: string[] = [];
  for (const file of model.files) {
    paths.push(await fetchFile(job, file));
    meter.fileDone(file.sizeBytes);
  }
  return paths[0] ?? "";
}

interface Job {
  repository: RemoteRepository;
  settings: HubSettings;
  options: FetchOptions;
  meter: ProgressMeter;
}

/** Before the first of many gigabytes, not after the last that fits. */
async function checkRoomForAll({ repository, settings }: Job, files: readonly RemoteFile[]): Promise<void> {
  let needed = 0;
  let target = "";
  for (const { etag, sizeBytes, path } of files) {
    target = blobPath(settings.cache, repository.name, etag);
    const isHere =
      (await hasSize(snapshotPath(settings.cache, repository.name, repository.commit, path), sizeBytes)) ||
      (await hasSize(target, sizeBytes));
    if (!isHere) needed += Math.max(0, sizeBytes - (await allocatedBytes(partialPath(target))));
  }
  if (needed === 0) return;
  await makeFolder(dirname(target));
  await checkRoom(target, needed);
}

async function fetchFile(job: Job, file: RemoteFile): Promise<string> {
  const { repository, settings } = job;
  const { name, commit } = repository;
  const folder = repositoryFolder(settings.cache, name);
  const path = snapshotPath(settings.cache, name, commit, file.path);
  const blob = blobPath(settings.cache, name, file.etag);
  if (!(await hasSize(path, file.sizeBytes))) {
    // A blob that is linked under its lock cannot be removed before that is seen.
    await withBlob(job, file, blob, async () => {
      if (await hasSize(path, file.sizeBytes)) return; // without links the blob of whoever was first lies there
      if (!(await hasSize(blob, file.sizeBytes)) && !(await takeFromSnapshots(job, file, blob)))
        await fetchBlob(job, file, blob);
      await onDisk(folder, () => linkBlob(settings.cache, name, blob, path));
    });
  }
  await onDisk(folder, () => writeRef(settings.cache, name, job.repository.revision, commit));
  return path;
}

/** One process works on a blob, the others wait for it, or go on where it was stopped. */
async function withBlob(
  { repository, settings, options, meter }: Job,
  { etag, path }: RemoteFile,
  blob: string,
  work: () => Promise<void>,
): Promise<void> {
  const { signal } = options;
  await makeFolder(locksFolder(settings.cache, repository.name));
  const onPoll = async (): Promise<void> => meter.update(path, "waiting", await partialBytes(blob));
  await withLock(blobLock(settings.cache, repository.name, etag), work, { signal, onPoll });
}

/** Where there are no links, another commit's snapshot may have the content itself; its name there is no proof. */
async function takeFromSnapshots(
  { repository, settings, options, meter }: Job,
  { etag, sizeBytes, path }: RemoteFile,
  blob: string,
): Promise<boolean> {
  const { algorithm, digest } = hashOfEtag(etag);
  const onBytes = (bytes: number): void => meter.update(path, "verifying", bytes);
  for (const found of await unlinkedFiles(settings.cache, repository.name, sizeBytes)) {
    if ((await contentDigest(found, sizeBytes, algorithm, { signal: options.signal, onBytes })) !== digest) continue;
    await makeFolder(dirname(blob));
    await onDisk(dirname(blob), () => copyWhole(found, blob));
    return true;
  }
  return false;
}

function fetchBlob({ repository, settings, options, meter }: Job, file: RemoteFile, blob: string): Promise<void> {
  const { signal, connections = defaultConnections } = options;
  return download({
    url: resolveUrl(repository, file, settings),
    token: settings.token,
    target: blob,
    sizeBytes: file.sizeBytes,
    hash: hashOfEtag(file.etag),
    key: file.etag,
    connections,
    signal,
    onBytes: (bytes) => meter.update(file.path, "downloading", bytes),
    onVerify: (bytes) => meter.update(file.path, "verifying", bytes),
    onPause: (milliseconds) => meter.pause(file.path, milliseconds),
    failure: (response) => hubFailure(response, { repository: repository.name, file: file.path }, settings),
  });
}

async function hasSize(path: string, sizeBytes: number): Promise<boolean> {
  return (await stat(path).catch(() => null))?.size === sizeBytes;
}
