import { basename } from "node:path";

import type { ContextOptions } from "../context/context-options.js";
import type { FetchOptions } from "../hub/index.js";
import type { LlamaContext } from "../llama-context.js";
import type { LlamaModel, ModelContextOptions } from "../llama-model.js";
import type { LoadModelOptions } from "../model/load-options.js";
import { DownloadDisplay } from "./download-display.js";
import { ProgressBar } from "./progress-bar.js";
import { dim } from "./style.js";

/** Finds a model, fetching it where that is needed, and loads it. */
export async function openModel(
  source: string,
  { offline, ...options }: LoadModelOptions,
  signal: AbortSignal,
  /** Of the context to come, which is refused before the model is loaded where it cannot fit. */
  context?: ContextOptions,
): Promise<LlamaModel> {
  const path = await resolveFile(source, signal, { offline });
  if (context !== undefined) {
    const { checkContextFits } = await import("../context/context-options.js");
    await checkContextFits(path, context, "createContext");
  }
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

/** Makes a context, and says what was chosen for it where that was left to us or is less than usual. */
export async function openContext(model: LlamaModel, options: ModelContextOptions): Promise<LlamaContext> {
  const context = await model.createContext(options);
  const { fit } = context;
  const isLess =
    options.contextSize === undefined && context.info.contextSize < Math.min(4096, model.info.contextLength);
  if (fit && (options.contextSize === "auto" || options.kvType === "auto" || isLess)) {
    process.stderr.write(`${dim(fit.reason, process.stderr)}\n`);
  }
  return context;
}

/** The model's file, which is fetched where that is needed. */
export async function resolveFile(source: string, signal: AbortSignal, options: FetchOptions = {}): Promise<string> {
  const [{ loadAddon }, { resolveModel }] = await Promise.all([
    import("../native/load-addon.js"),
    import("../hub/index.js"),
  ]);
  loadAddon(); // without which there is no use in fetching a model
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
