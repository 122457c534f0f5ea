import type { FetchOptions } from "./hub/index.js";
import { resolveModel } from "./hub/index.js";
import type { DownloadProgress } from "./progress.js";
import type { RulesFor } from "./validate.js";
import { aBoolean, aFunction, anAbortSignal, aNonEmptyString, anInteger, optional, readOptions } from "./validate.js";

export interface PullModelOptions {
  /** Called several times a second while something is downloaded. */
  onDownload?: ((progress: DownloadProgress) => void) | undefined;
  /** Called with the fraction done, from 0 to 1, whatever the model comes from; never for one that is here already. */
  onProgress?: ((fraction: number) => void) | undefined;
  /** Stops the download, which then rejects with the signal's reason; the next one goes on from there. */
  signal?: AbortSignal | undefined;
  /** Take only what is on this disk. Default: what `HF_HUB_OFFLINE` says. */
  offline?: boolean | undefined;
  /** Parts of a file to download at once, 1 to 16. Default 4. */
  connections?: number | undefined;
}

const rules = {
  onDownload: optional(aFunction<(progress: DownloadProgress) => void>()),
  onProgress: optional(aFunction<(fraction: number) => void>()),
  signal: optional(anAbortSignal),
  offline: optional(aBoolean),
  connections: optional(anInteger(1, 16)),
} satisfies RulesFor<PullModelOptions>;

/**
 * Downloads a model without loading it, or looks whether the hub, or the server of a URL, has a newer one. `source` is as for
 * `loadModel`.
 *
 * @returns the path of its file, of the first one where it is split
 * @throws LlamaError `MODEL_NOT_FOUND`, `DOWNLOAD` or `INVALID_OPTION`; the signal's reason when cancelled
 */
export async function pullModel(source: string, options?: PullModelOptions): Promise<string> {
  aNonEmptyString(source, "the model's source");
  const read: FetchOptions = readOptions("pullModel", rules, options);
  return resolveModel(source, { ...read, refresh: true });
}
