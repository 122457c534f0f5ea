import { basename } from "node:path";

import type { ContextOptions } from "../context/context-options.js";
import type { FetchOptions } from "../hub/index.js";
import type { LlamaContext } from "../llama-context.js";
import type { LlamaModel, ModelContextOptions } from "../llama-model.js";
import type { GpuChoice } from "../native/backends.js";
import type { GpuFit } from "../model/gpu-layers.js";
import type { LoadModelOptions } from "../model/load-options.js";
import { DownloadDisplay } from "./download-display.js";
import { ProgressBar } from "./progress-bar.js";
import { dim } from "./style.js";

/** Finds a model, fetching it where that is needed, and loads it. */
export async function openModel(source: string, options: LoadModelOptions, signal: AbortSignal): Promise<LlamaModel> {
  return loadFile(await resolveFile(source, signal, { offline: options.offline }, options.gpu), options, signal);
}

/** A model, one that drafts for it where there is to be one, and their context. */
export interface OpenModels extends AsyncDisposable {
  readonly model: LlamaModel;
  readonly context: LlamaContext;
}

/** Opens them all; what cannot fit is refused before anything is loaded. */
export async function openModels(
  { source, draftSource }: { source: string; draftSource: string | undefined },
  loadOptions: LoadModelOptions,
  options: ContextOptions,
  signal: AbortSignal,
): Promise<OpenModels> {
  const { contextSize, kvType, sequences } = options;
  const load = { ...loadOptions, plannedContext: { contextSize, kvType, sequences } };
  const fetchOptions = { offline: load.offline };
  // What is put in place of a file's own metadata is not meant for the other.
  const draftLoad = { ...load, metadataOverrides: undefined };
  const path = await resolveFile(source, signal, fetchOptions, load.gpu);
  const draftPath =
    draftSource === undefined ? undefined : await resolveFile(draftSource, signal, fetchOptions, load.gpu);
  const { checkContextFits } = await import("../context/context-options.js");
  const planned = draftPath === undefined ? undefined : { path: draftPath, load: draftLoad };
  await checkContextFits({ path, load }, options, "createContext", planned);
  const loaded: LlamaModel[] = [];
  const dispose = async (): Promise<void> => {
    for (const model of loaded.reverse()) await model.dispose();
  };
  try {
    const model = await loadFile(path, load, signal);
    loaded.push(model);
    const draftModel = draftPath === undefined ? undefined : await loadFile(draftPath, draftLoad, signal);
    if (draftModel !== undefined) loaded.push(draftModel);
    const context = await openContext(model, { ...options, draftModel });
    return { model, context, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function loadFile(path: string, options: LoadModelOptions, signal: AbortSignal): Promise<LlamaModel> {
  const { loadModel } = await import("../load-model.js");
  const load = { ...options, offline: undefined, signal };
  const model = await withProgress(`Loading ${basename(path)}`, (onProgress) =>
    loadModel(path, { ...load, onProgress }),
  );
  const { fit } = model;
  if (fit && isNews(fit, options.gpuLayers)) note(`${basename(path)}: ${fit.reason}`);
  return model;
}

/** What was left to us, and what was asked for and is not so. */
function isNews({ devices, gpuLayers }: GpuFit, wish: LoadModelOptions["gpuLayers"]): boolean {
  if (wish === undefined) return devices.length > 0; // else there was nothing to choose
  return wish === "auto" || (wish !== 0 && gpuLayers === 0);
}

function note(text: string): void {
  process.stderr.write(`${dim(text, process.stderr)}\n`);
}

/** Makes a context, and says what was chosen for it where that was left to us or is less than usual. */
async function openContext(model: LlamaModel, options: ModelContextOptions): Promise<LlamaContext> {
  const context = await model.createContext(options);
  const { fit } = context;
  const isLess =
    options.contextSize === undefined && context.info.contextSize < Math.min(4096, model.info.contextLength);
  if (fit && (options.contextSize === "auto" || options.kvType === "auto" || isLess)) {
    note(fit.reason);
  }
  const { contextLength } = model.info;
  if (contextLength > 0 && context.info.contextSize > contextLength) {
    note(`The model was trained with ${contextLength} tokens; what it says beyond may make less sense`);
  }
  return context;
}

/** The model's file, which is fetched where that is needed. */
export async function resolveFile(
  source: string,
  signal: AbortSignal,
  options: FetchOptions = {},
  gpu?: GpuChoice,
): Promise<string> {
  const [{ loadAddon }, { resolveModel }] = await Promise.all([
    import("../native/load-addon.js"),
    import("../hub/index.js"),
  ]);
  loadAddon(gpu); // without which there is no use in fetching a model
  return withDownload(source, (callbacks) => resolveModel(source, { ...options, ...callbacks, signal }));
}

/** Shows the download that `work` may turn out to be. */
export async function withDownload<T>(
  source: string,
  work: (callbacks: Pick<FetchOptions, "onDownload" | "onProgress">) => Promise<T>,
): Promise<T> {
  const display = new DownloadDisplay(source);
  try {
    // Of models from Python packages the fraction is all that is known.
    return await withProgress(`Downloading ${source}`, (onFraction) => {
      let detailed = false;
      return work({
        onDownload: (progress) => {
          detailed = true;
          display.show(progress);
        },
        onProgress: (fraction) => {
          if (!detailed) onFraction(fraction);
        },
      });
    });
  } finally {
    display.clear();
  }
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
