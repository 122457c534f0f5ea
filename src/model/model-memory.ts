import type { NativeAddon } from "../native/contract.js";
import { checkModelFits } from "./fit.js";
import type { GgufHeader } from "./gguf-header.js";
import { readGgufFile } from "./gguf-header.js";
import { fitGpuLayers } from "./gpu-layers.js";
import type { ReadLoadOptions } from "./load-options.js";
import { anonymousBytes, availableMemory } from "./machine-memory.js";
import type { ContextPlan } from "./memory-estimate.js";
import type { ModelShape } from "./model-shape.js";
import { checkAgainstTensors, shapeOf } from "./model-shape.js";
import { splitPaths } from "./split-paths.js";

/** What is known of a loaded model's memory. */
export interface ModelMemory {
  shape: ModelShape;
  /** Bytes of weights that are still in the mapped file alone. */
  mappedBytes: number;
  /** Whether layers are on a GPU, whose memory is not looked after here. */
  onGpu: boolean;
}

/** The context that GPU layers are planned for. */
const usualContext: Omit<ContextPlan, "contextSize"> = {
  kvTypeK: "f16",
  kvTypeV: "f16",
  sequences: 4,
  microBatchSize: 512,
  flashAttention: "auto",
};

/** Looks after the memory of one load: what fits is decided before, and what it took is known after. */
export class LoadMemory {
  readonly #shape: ModelShape;
  readonly #options: ReadLoadOptions;
  readonly #before = anonymousBytes();
  /** Layers for GPUs, where the user left it to us and there is one. */
  readonly gpuLayers: number | undefined;

  private constructor(shape: ModelShape, options: ReadLoadOptions, gpuLayers: number | undefined) {
    this.#shape = shape;
    this.#options = options;
    this.gpuLayers = gpuLayers;
  }

  /**
   * Undefined for files whose header makes no sense here; what is wrong with them is the addon's to say.
   *
   * @throws LlamaError `INSUFFICIENT_MEMORY`
   */
  static async plan(addon: NativeAddon, path: string, options: ReadLoadOptions): Promise<LoadMemory | undefined> {
    if (options.vocabularyOnly) return undefined;
    const shape = await readModelShape(path).catch(() => undefined);
    if (shape === undefined) return undefined;
    const { devices } = addon.systemInfo({});
    const hasGpu = devices.some(({ type }) => type === "gpu");
    const plan = { ...usualContext, contextSize: Math.min(4096, shape.contextLength || 4096) };
    const fit = hasGpu && options.gpuLayers === "auto" ? fitGpuLayers(shape, plan, devices) : undefined;
    const offloadedBytes = fit?.offloadedBytes ?? (hasGpu ? offloadedBy(options, shape) : 0);
    const mapped = options.useMmap !== false && !options.directIo && !options.useMlock && !options.repack;
    checkModelFits(shape, { mapped, offloadedBytes }, availableMemory(), path);
    return new LoadMemory(shape, options, fit?.layers);
  }

  /** To be asked when the model is loaded. */
  outcome(): ModelMemory {
    const { useMmap, directIo, gpuLayers } = this.#options;
    const after = anonymousBytes();
    const isMapped = useMmap !== false && !directIo && this.#before !== undefined && after !== undefined;
    const copied = (after ?? 0) - (this.#before ?? 0);
    const onGpu = this.gpuLayers === undefined ? typeof gpuLayers === "number" && gpuLayers > 0 : this.gpuLayers > 0;
    return {
      shape: this.#shape,
      mappedBytes: isMapped && !onGpu ? Math.max(0, this.#shape.weightBytes - Math.max(0, copied)) : 0,
      onGpu,
    };
  }
}

function offloadedBy({ gpuLayers }: ReadLoadOptions, shape: ModelShape): number {
  if (typeof gpuLayers !== "number") return shape.weightBytes;
  return shape.weightBytes * Math.min(1, gpuLayers / Math.max(1, shape.layerCount));
}

/** By the headers of a model's files. Throws LlamaError `MODEL_FORMAT` where these contradict themselves. */
export async function readModelShape(path: string): Promise<ModelShape> {
  const headers: GgufHeader[] = [];
  for (const file of splitPaths(path)) headers.push(await readGgufFile(file));
  const shape = shapeOf(headers);
  checkAgainstTensors(
    shape,
    headers.flatMap(({ tensors }) => tensors),
  );
  return shape;
}
