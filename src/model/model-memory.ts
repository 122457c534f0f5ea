import type { NativeAddon } from "../native/contract.js";
import { devicesOf } from "../native/load-addon.js";
import { checkModelFits } from "./fit.js";
import type { GgufHeader } from "./gguf-header.js";
import { readGgufFile } from "./gguf-header.js";
import type { GpuFit } from "./gpu-layers.js";
import { divide } from "./devices.js";
import { placeLayers, usualContext } from "./gpu-layers.js";
import type { ReadLoadOptions } from "./load-options.js";
import { anonymousBytes } from "./machine-memory.js";
import { availableMemory, ramMemory, reserve } from "./memory-ledger.js";
import { overheadBytes } from "./memory-estimate.js";
import type { ModelShape } from "./model-shape.js";
import { checkAgainstTensors, overriddenWeights, shapeOf } from "./model-shape.js";
import type { Placement } from "./placement.js";
import { weightNeeds } from "./placement.js";
import { splitPaths } from "./split-paths.js";

/** What is known of a loaded model's memory. */
export interface ModelMemory {
  shape: ModelShape;
  /** Bytes of weights that are still in the mapped file alone. */
  mappedBytes: number;
  /** Whether the weights stay there, to be read again whenever the system has taken back their pages. */
  staysMapped: boolean;
  placement: Placement;
  fit: GpuFit;
}

/** Looks after the memory of one load: what fits is decided before, and what it took is known after. */
export class LoadMemory {
  readonly #shape: ModelShape;
  readonly #options: ReadLoadOptions;
  readonly #before = anonymousBytes();
  readonly #placement: Placement;
  readonly #fit: GpuFit;
  /** Frees what was set aside for the load: it is taken by then, or not wanted. */
  readonly release: () => void;
  #loaded = 0;

  private constructor(shape: ModelShape, options: ReadLoadOptions, placement: Placement, fit: GpuFit) {
    this.#shape = shape;
    this.#options = options;
    this.#placement = placement;
    this.#fit = fit;
    const { ram, devices } = weightNeeds(shape, placement);
    const inRam = (staysMapped(options) ? 0 : ram) + overheadBytes(shape);
    this.release = reserve([
      { where: ramMemory, bytes: () => inRam * (1 - this.#loaded) },
      ...placement.devices.map(({ name }, index) => {
        return { where: name, bytes: () => (devices[index] ?? 0) * (1 - this.#loaded) };
      }),
    ]);
  }

  /**
   * Undefined for files whose header makes no sense here; what is wrong with them is the addon's to say. What the load will
   * take is set aside until `release` is called.
   *
   * @throws LlamaError `INSUFFICIENT_MEMORY`
   */
  static async plan(addon: NativeAddon, path: string, options: ReadLoadOptions): Promise<LoadMemory | undefined> {
    if (options.vocabularyOnly) return undefined;
    const shape = await readModelShape(path, options).catch(() => undefined);
    if (shape === undefined) return undefined;
    const available = availableMemory();
    const division = divide(devicesOf(addon), options, available.bytes);
    const plan = usualContext(shape, options.plannedContext);
    const { placement, fit } = placeLayers(shape, options.gpuLayers, division, path, plan);
    checkModelFits(shape, { mapped: staysMapped(options), placement }, available, path);
    return new LoadMemory(shape, options, placement, fit);
  }

  /** Layers for GPUs, where there is one. */
  get gpuLayers(): number | undefined {
    return this.#placement.devices.length > 0 ? this.#placement.gpuLayers : undefined;
  }

  /** A fraction of the weights is in memory, and counted by the system. */
  loaded(fraction: number): void {
    this.#loaded = Math.max(this.#loaded, fraction);
  }

  /** To be asked when the model is loaded. */
  outcome(): ModelMemory {
    const { useMmap, directIo } = this.#options;
    const after = anonymousBytes();
    const isMapped = useMmap !== false && !directIo && this.#before !== undefined && after !== undefined;
    const copied = Math.max(0, (after ?? 0) - (this.#before ?? 0));
    const weights = weightNeeds(this.#shape, this.#placement).ram;
    return {
      shape: this.#shape,
      mappedBytes: isMapped ? Math.max(0, weights - copied) : 0,
      staysMapped: staysMapped(this.#options),
      placement: this.#placement,
      fit: this.#fit,
    };
  }
}

/** Whether no weights are copied out of the file, nor held in memory. */
export function staysMapped({ useMmap, directIo, useMlock, repack }: ReadLoadOptions): boolean {
  return useMmap !== false && !directIo && !useMlock && !repack;
}

/** By the headers of a model's files. Throws LlamaError `MODEL_FORMAT` where these contradict themselves. */
export async function readModelShape(
  path: string,
  { repack = true, tensorOverrides = [] }: Partial<Pick<ReadLoadOptions, "repack" | "tensorOverrides">> = {},
): Promise<ModelShape> {
  const headers: GgufHeader[] = [];
  for (const file of splitPaths(path)) headers.push(await readGgufFile(file));
  const shape = shapeOf(headers);
  const tensors = headers.flatMap((header) => header.tensors);
  checkAgainstTensors(shape, tensors);
  const overridden = overriddenWeights(tensors, shape.layerCount, tensorOverrides);
  return { ...shape, overridden, tiedCopyBytes: repack ? shape.tiedCopyBytes : 0 };
}
