import { contextWish } from "../../context/context-options.js";
import type { ContextOptions } from "../../context/context-options.js";
import type { ContextFit, ContextWish } from "../../model/fit.js";
import { contextBudget, fitContext } from "../../model/fit.js";
import { divide } from "../../model/devices.js";
import { largestKept } from "../../model/embedder.js";
import { placeLayers } from "../../model/gpu-layers.js";
import type { LoadModelOptions } from "../../model/load-options.js";
import { readLoadOptions } from "../../model/load-options.js";
import type { ContextPlan } from "../../model/memory-estimate.js";
import { embeddingBytes, microBatchSizeOf, overheadBytes } from "../../model/memory-estimate.js";
import { availableMemory } from "../../model/memory-ledger.js";
import { readModelShape } from "../../model/model-memory.js";
import type { ModelShape } from "../../model/model-shape.js";
import type { Placement } from "../../model/placement.js";
import { totalBytes, weightNeeds } from "../../model/placement.js";
import type { NativeDevice } from "../../native/contract.js";
import type { Memories } from "./memories.js";
import { addUp, ramMemory } from "./memories.js";
import type { ServedModel } from "./served-model.js";
import { contextDefaults } from "./served-model.js";

export interface ModelNeeds {
  /** What the options of its context left open; nothing where it gets none. */
  readonly context: Partial<Pick<ContextFit, "contextSize" | "kvType">>;
  /** What those of its load left open, so that its layers go where they were planned. */
  readonly load: Pick<LoadModelOptions, "gpuLayers" | "tensorSplit">;
  /** Of weights, KV cache, buffers and the RAM tier. */
  readonly memories: Memories;
  /** The same in all. */
  readonly bytes: number;
}

/**
 * What a model and its context will take of RAM and of devices, from the headers of its files. Layers on devices, as many as
 * fit with the context where they are "auto", go by what those have. Sizes that are "auto" are chosen for what a budget of RAM
 * leaves, or the machine where that is less; others are not checked against RAM here.
 *
 * @throws LlamaError `INSUFFICIENT_MEMORY` for what a device cannot hold
 */
export async function modelNeeds(
  path: string,
  { load, context = {} }: Pick<ServedModel, "load" | "context">,
  ramBytes: number,
  devices: readonly NativeDevice[],
): Promise<ModelNeeds> {
  const loadOptions = readLoadOptions(load);
  const shape = await readModelShape(path, loadOptions);
  const wish = wishOf(context, shape);
  const available = availableMemory();
  const division = divide(devices, loadOptions, available.bytes);
  const { placement } = placeLayers(shape, loadOptions.gpuLayers, division, path, planOf(wish));
  const model = weightNeeds(shape, placement);
  model.ram += overheadBytes(shape);
  const onDevices = new Map(placement.devices.map(({ name }, index) => [name, model.devices[index] ?? 0]));
  if (!shape.hasCache) {
    // It makes embeddings alone. A context for longer texts than these is there while they are computed, if there is room then.
    const embedding = embeddingBytes(shape, Math.min(shape.contextLength || largestKept, largestKept));
    const memories = addUp([new Map([[ramMemory, model.ram + embedding]]), onDevices]);
    return {
      context: {},
      load: layersOf(placement),
      memories,
      bytes: Math.round(totalBytes(model, placement) + embedding),
    };
  }
  model.ram += context.ramCacheSize ?? 0;
  const isOpen = wish.contextSize === "auto" || wish.kvType === "auto";
  const budget = isOpen ? Math.min(ramBytes - model.ram, contextBudget(available, model.ram)) : Infinity;
  const deviceBytes = new Map(
    placement.devices.map(({ name, freeBytes }) => [name, Math.max(0, freeBytes - (onDevices.get(name) ?? 0))]),
  );
  const place = { placement, offloadKv: context.offloadKv ?? true, deviceBytes };
  const { contextSize, kvType, shares, neededBytes } = fitContext(shape, wish, budget, place);
  const ofContext = new Map(shares.map((share) => [share.where, share.neededBytes]));
  return {
    context: { contextSize, kvType },
    load: layersOf(placement),
    memories: addUp([new Map([[ramMemory, model.ram]]), onDevices, ofContext]),
    bytes: Math.round(totalBytes(model, placement) + neededBytes),
  };
}

function wishOf(context: ContextOptions, { contextLength }: ModelShape): ContextWish {
  const most = contextDefaults.contextSize;
  const contextSize = context.contextSize ?? Math.min(most, contextLength || most);
  return contextWish({ ...contextDefaults, ...context, contextSize }, contextLength, "the server");
}

/** The context that layers are planned for; undefined where its size is what they leave. */
function planOf(wish: ContextWish): ContextPlan | undefined {
  const { contextSize, kvType, sequences, flashAttention } = wish;
  if (contextSize === "auto") return undefined;
  const { k, v } = kvType === "auto" ? ({ k: "f16", v: "f16" } as const) : kvType;
  const microBatchSize = microBatchSizeOf(wish, 1); // as it is once a device has layers
  return { contextSize, kvTypeK: k, kvTypeV: v, sequences, microBatchSize, flashAttention };
}

/** A number of layers, and how several devices divide them, which llama.cpp would do by what is free when it loads. */
function layersOf({ gpuLayers, devices, split }: Placement): ModelNeeds["load"] {
  if (devices.length === 0) return {};
  if (gpuLayers === 0 || devices.length === 1 || split !== undefined) return { gpuLayers };
  return { gpuLayers, tensorSplit: devices.map(({ freeBytes }) => freeBytes) };
}
