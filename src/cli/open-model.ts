import { basename } from "node:path";

import type { LlamaModel } from "../llama-model.js";
import type { LoadModelOptions } from "../model/load-options.js";
import { ProgressBar } from "./progress-bar.js";

/** Finds a model, fetching it where that is needed, and loads it. */
export async function openModel(source: string, options: LoadModelOptions, signal: AbortSignal): Promise<LlamaModel> {
  const path = await resolveFile(source, signal);
  const { loadModel } = await import("../load-model.js");
  return withProgress(`Loading ${basename(path)}`, (onProgress) => loadModel(path, { ...options, signal, onProgress }));
}

/** The same for a model that drafts, if there is to be one; what `options` puts in place of a file's own is not meant for it. */
export async function openDraftModel(
  source: string | undefined,
  options: LoadModelOptions,
  signal: AbortSignal,
): Promise<LlamaModel | undefined> {
  return source === undefined ? undefined : openModel(source, { ...options, metadataOverrides: undefined }, signal);
}

/** The model's file, which is fetched where that is needed. */
export async function resolveFile(source: string, signal: AbortSignal): Promise<string> {
  const [{ loadAddon }, { resolveModel }] = await Promise.all([
    import("../native/load-addon.js"),
    import("../hub/index.js"),
  ]);
  loadAddon(); // without which there is no use in fetching a model
  return withProgress(`Downloading ${source}`, (onProgress) => resolveModel(source, { signal, onProgress }));
}

async function withProgress<T>(
  label: string,
  work: (onProgress: (fraction: number) => void) => Promise<T>,
): Promise<T> {
  const bar = new ProgressBar(label);
  try {
    return await work((fraction) => bar.show(fraction));
  } finally {
    bar.clear();
  }
}
