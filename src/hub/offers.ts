import { stat } from "node:fs/promises";
import { basename, join } from "node:path";

import { modelsDirectory } from "./cache.js";
import type { CachedModels } from "./cached-model.js";
import { cachedModels, chooseCached, isCached } from "./cached-model.js";
import type { KnownModel } from "./catalogue.js";
import type { FetchOptions } from "./fetch-options.js";
import { triesBesideCache } from "./http.js";
import { hubFailure } from "./hub-errors.js";
import { chooseModel, groupModels } from "./model-files.js";
import type { ModelFiles } from "./model-files.js";
import type { HubSource } from "./names.js";
import { notFound, parseSource } from "./names.js";
import { normalizeQuantization, quantizationOf } from "./quantization.js";
import type { RemoteBytes } from "./remote-bytes.js";
import { remoteBytes } from "./remote-bytes.js";
import { listRepository, resolveUrl } from "./repository.js";
import type { RemoteFile, RemoteRepository } from "./repository.js";
import { resolveModel } from "./resolve.js";
import { hubSettings } from "./settings.js";
import { remoteUrl } from "./url-model.js";
import { partsOf, urlPath } from "./url-path.js";

/** One quantization of a model that can be had. */
export interface Offer {
  /** What its first file is called. */
  fileName: string;
  quantization: string | null;
  sizeBytes: number;
  /** The file to load where it is on this disk. */
  path: string | null;
  /** The bytes of its files where it is not, but for one inside a package. */
  remote: readonly RemoteBytes[];
}

export interface Offers {
  known: KnownModel | undefined;
  repository: string | undefined;
  /** The smallest first. */
  offers: Offer[];
  /** Why the hub's list is missing, where it is. */
  problem: string | undefined;
}

/** The quantizations there are of a model, on this disk and at the hub; nothing is downloaded. */
export async function listOffers(source: string, options: Pick<FetchOptions, "offline" | "signal">): Promise<Offers> {
  const parsed = parseSource(source);
  switch (parsed.kind) {
    case "known": {
      const { model, quantization } = parsed;
      const wanted: HubSource = { kind: "hub", repository: model.repository, revision: "main" };
      const ofWheel = (await wheelOffer(model)).filter((offer) => isWanted(offer, quantization));
      const found = await hubOffers(
        { ...wanted, ...(quantization && { quantization }) },
        source,
        options,
        ofWheel.length > 0 || !quantization,
      );
      const offers = [...ofWheel, ...found.offers];
      return { known: model, repository: model.repository, offers: sorted(offers), problem: found.problem };
    }
    case "hub":
      return { known: undefined, repository: parsed.repository, ...(await hubOffers(parsed, source, options, false)) };
    case "url":
      return { ...nothingKnown, offers: [await urlOffer(parsed.url, options)] };
    case "path":
    case "ollama":
      return { ...nothingKnown, offers: [await fileOffer(await resolveModel(source))] };
  }
}

const nothingKnown = { known: undefined, repository: undefined, problem: undefined };

function isWanted({ quantization }: Offer, wanted: string | undefined): boolean {
  return wanted === undefined || quantization === normalizeQuantization(wanted);
}

function sorted(offers: readonly Offer[]): Offer[] {
  return [...offers].sort((a, b) => a.sizeBytes - b.sizeBytes);
}

/** The file that comes in a Python package, which is as large as the catalogue says where it is not here. */
async function wheelOffer({ wheel }: KnownModel): Promise<Offer[]> {
  if (wheel === undefined) return [];
  const { fileName, sizeBytes } = wheel;
  const path = join(modelsDirectory(), fileName);
  if ((await stat(path).catch(() => null)) !== null) return [await fileOffer(path)];
  return [{ fileName, quantization: quantizationOf(fileName), sizeBytes, path: null, remote: [] }];
}

async function fileOffer(path: string): Promise<Offer> {
  // One by one, so that of several missing parts always the first is told.
  const sizes: number[] = [];
  for (const part of partsOf(path)) sizes.push(await sizeOf(part, path));
  return { fileName: basename(path), quantization: quantizationOf(path), sizeBytes: sum(sizes), path, remote: [] };
}

async function sizeOf(part: string, path: string): Promise<number> {
  const found = await stat(part).catch(() => null);
  if (found === null) throw notFound(path, `There is no file ${part}, which ${path} goes on in`);
  return found.size;
}

async function urlOffer(url: string, options: Pick<FetchOptions, "offline" | "signal">): Promise<Offer> {
  const path = urlPath(url);
  if ((await stat(path).catch(() => null)) !== null) return fileOffer(path);
  if (options.offline ?? hubSettings().offline) await resolveModel(url, { offline: true }); // says that it is not here
  const remote = await Promise.all(partsOf(url).map((part) => remoteUrl(part, options.signal)));
  return {
    fileName: basename(path),
    quantization: quantizationOf(path),
    sizeBytes: sum(remote.map(({ sizeBytes }) => sizeBytes)),
    path: null,
    remote,
  };
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all + size, 0);
}

/** What the hub has, or where it cannot be asked what is in its cache. `optional` turns the lack of both into a note. */
async function hubOffers(
  wanted: HubSource,
  source: string,
  options: Pick<FetchOptions, "offline" | "signal">,
  optional: boolean,
): Promise<Pick<Offers, "offers" | "problem">> {
  const settings = hubSettings();
  const { all } = await cachedModels(settings.cache, wanted);
  const wish: Wish = { ...wanted, source };
  const isOffline = options.offline ?? settings.offline;
  const { repository, failure } = isOffline ? nothingListed : await askHub(wish, all, options.signal);
  let problem = failure instanceof Error ? failure.message : "offline";
  try {
    if (repository !== undefined)
      return { offers: remoteOffers(repository, wish, all.flat(), options.signal), problem: undefined };
    const why = isOffline ? "nothing is downloaded as it is offline" : problem;
    return { offers: cachedOffers(all, wish, why), problem };
  } catch (error) {
    if (!optional) throw failure ?? error;
    if (repository !== undefined && error instanceof Error) problem = error.message;
    return { offers: [], problem };
  }
}

interface Listed {
  repository?: RemoteRepository;
  failure?: unknown;
}

const nothingListed: Listed = {};

async function askHub(wish: Wish, cached: readonly CachedModels[], signal: AbortSignal | undefined): Promise<Listed> {
  const isHere = namesOne(wish) ? isCached(cached, wish) : cached.length > 0;
  const options = { signal, tries: isHere ? triesBesideCache : undefined };
  try {
    return { repository: await listRepository(wish.repository, wish.revision, hubSettings(), options) };
  } catch (failure) {
    signal?.throwIfAborted();
    return { failure };
  }
}

/** A source's model, or all where it names none. */
type Wish = HubSource & { source: string };

function namesOne({ quantization, file }: HubSource): boolean {
  return quantization !== undefined || file !== undefined;
}

function remoteOffers(
  repository: RemoteRepository,
  wish: Wish,
  cached: CachedModels,
  signal: AbortSignal | undefined,
): Offer[] {
  const models = groupModels(repository.files);
  const chosen = namesOne(wish) || models.length === 0 ? [chooseModel(models, wish)] : models;
  return chosen.map((model) => {
    const local = cached.find(
      ({ files, sizeBytes }) => files[0]?.path === model.files[0]?.path && sizeBytes === model.sizeBytes,
    );
    if (local !== undefined) return cachedOffer(local);
    const { quantization, sizeBytes, files } = model;
    const remote = openRemote(repository, model, signal);
    return { fileName: files[0]?.path ?? "", quantization, sizeBytes, path: null, remote };
  });
}

/** Of a file that several commits have, the one of the revision's own, or the newest. */
function cachedOffers(cached: readonly CachedModels[], wish: Wish, why: string): Offer[] {
  const chosen = namesOne(wish) || cached.length === 0 ? [chooseCached(cached, wish, why)] : cached.flat();
  const unique = new Map<string, Offer>();
  for (const offer of chosen.map(cachedOffer)) if (!unique.has(offer.fileName)) unique.set(offer.fileName, offer);
  return sorted([...unique.values()]);
}

function cachedOffer({ quantization, sizeBytes, files }: CachedModels[number]): Offer {
  const [first] = files;
  return { fileName: first?.path ?? "", quantization, sizeBytes, path: first?.absolutePath ?? "", remote: [] };
}

function openRemote(
  repository: RemoteRepository,
  { files }: ModelFiles<RemoteFile>,
  signal: AbortSignal | undefined,
): RemoteBytes[] {
  const settings = hubSettings();
  return files.map((file) =>
    remoteBytes({
      url: resolveUrl(repository, file, settings),
      sizeBytes: file.sizeBytes,
      token: settings.token,
      signal,
      failure: (response) => hubFailure(response, { repository: repository.name, file: file.path }, settings),
    }),
  );
}
