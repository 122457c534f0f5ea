import { LlamaError } from "../errors.js";
import type { CachedFile } from "./hub-cache.js";
import { cachedSnapshots } from "./hub-cache.js";
import type { Choice, ModelFiles } from "./model-files.js";
import { chooseModel, groupModels } from "./model-files.js";
import type { HubSource } from "./names.js";
import { normalizeQuantization } from "./quantization.js";

export type CachedModels = readonly ModelFiles<CachedFile>[];

/** The models in the hub's cache: of the revision's own snapshot, and of all that it may have had, by snapshot. */
export async function cachedModels(
  cache: string,
  { repository, revision }: Pick<HubSource, "repository" | "revision">,
): Promise<{ current: CachedModels; all: CachedModels[] }> {
  const { current, earlier } = await cachedSnapshots(cache, repository, revision);
  return {
    current: current.flatMap(({ files }) => groupModels(files)),
    all: [...current, ...earlier].map(({ files }) => groupModels(files)).filter((models) => models.length > 0),
  };
}

/** What is here of what is meant; undefined where it is not clear by that alone. */
export function findCached(models: CachedModels, choice: Choice): ModelFiles<CachedFile> | undefined {
  try {
    const found = chooseModel(models, choice);
    const label = choice.quantization === undefined ? "" : normalizeQuantization(choice.quantization);
    // Found without its UD-: the repository may have one that is called just so.
    return (found.quantization ?? "").startsWith(label) ? found : undefined;
  } catch {
    return undefined;
  }
}

/** Whether what is meant can be had without the hub. */
export function isCached(cached: readonly CachedModels[], choice: Choice): boolean {
  return cached.some((models) => findCached(models, choice) !== undefined);
}

/**
 * The best of what is here, where the hub cannot be asked; `why` says so.
 *
 * @throws LlamaError `DOWNLOAD` where nothing is here, `MODEL_NOT_FOUND` where what is meant is not
 */
export function chooseCached(cached: readonly CachedModels[], choice: Choice, why: string): ModelFiles<CachedFile> {
  const { source } = choice;
  if (cached.length === 0) {
    throw new LlamaError("DOWNLOAD", `${source} is not in the cache, and ${why}`, {
      details: { source, reason: "offline" },
    });
  }
  let failure: unknown;
  for (const models of cached) {
    try {
      return chooseModel(models, choice);
    } catch (error) {
      failure ??= error;
    }
  }
  const message = failure instanceof Error ? failure.message : "";
  throw new LlamaError("MODEL_NOT_FOUND", `The cache alone was looked at, as ${why}: ${message}`, {
    cause: failure,
    details: { source, reason: "offline", found: message },
  });
}
