import { identifyModel, resolveModel } from "./hub/index.js";
import { LlamaModel } from "./llama-model.js";
import { toNativeDevices } from "./model/devices.js";
import type { LoadModelOptions, ReadLoadOptions } from "./model/load-options.js";
import { readLoadOptions } from "./model/load-options.js";
import { LoadMemory } from "./model/model-memory.js";
import { Model } from "./model/model.js";
import { loadAddon } from "./native/load-addon.js";
import { aNonEmptyString } from "./validate.js";

/** Share of the progress that belongs to a download, where there is one. */
const downloadShare = 0.9;

/**
 * Loads a model, off the JS thread.
 *
 * `source` is the path of a GGUF file (of the first part of a split one), or a name that the hub knows. Rejects with
 * `MODEL_NOT_FOUND`, `DOWNLOAD`, `MODEL_FORMAT`, `INSUFFICIENT_MEMORY`, `NOT_BUILT`, `BACKEND_UNAVAILABLE` or `INVALID_OPTION`; with the
 * signal's reason where that was aborted; and with what `onProgress` threw.
 */
export async function loadModel(source: string, options?: LoadModelOptions): Promise<LlamaModel> {
  aNonEmptyString(source, "the model's source");
  const read = readLoadOptions(options);
  read.signal?.throwIfAborted();
  const addon = loadAddon(read.gpu);
  toNativeDevices(addon, read); // refuses what no device can do before anything is fetched
  const progress = new Progress(read.onProgress);
  const path = await resolveModel(source, {
    onProgress: (fraction) => progress.downloaded(fraction),
    onDownload: read.onDownload,
    offline: read.offline,
    ...(read.signal === undefined ? {} : { signal: read.signal }),
  });
  const memory = await LoadMemory.plan(addon, path, read);
  try {
    read.signal?.throwIfAborted();
    const loading = (fraction: number): void => {
      memory?.loaded(fraction);
      progress.loading?.(fraction);
    };
    const onProgress = memory === undefined ? progress.loading : loading;
    const model = await Model.load(addon, path, { ...read, onProgress }, memory);
    return new LlamaModel(model, { template: identifyModel(path).known?.template });
  } finally {
    memory?.release();
  }
}

/** Joins download and loading into one fraction that never falls. */
class Progress {
  readonly #report: ReadLoadOptions["onProgress"];
  #start = 0;
  #last = -1;
  readonly loading: ReadLoadOptions["onProgress"];

  constructor(report: ReadLoadOptions["onProgress"]) {
    this.#report = report;
    this.loading = report && ((fraction) => this.#reached(this.#start + (1 - this.#start) * fraction));
  }

  downloaded(fraction: number): void {
    this.#start = downloadShare;
    this.#reached(downloadShare * fraction);
  }

  #reached(fraction: number): void {
    if (fraction <= this.#last) return;
    this.#last = fraction;
    this.#report?.(Math.min(1, fraction));
  }
}
