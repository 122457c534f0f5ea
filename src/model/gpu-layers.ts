import type { NativeDevice } from "../native/contract.js";
import { cacheBytes, computeBytes } from "./memory-estimate.js";
import type { ContextPlan } from "./memory-estimate.js";
import type { ModelShape } from "./model-shape.js";

/** Share of a device's free memory that is used; drivers and desktops need some. */
const usedShare = 0.94;

export interface GpuFit {
  /** Layers to put on GPUs; one more than the model has for all and the output. */
  layers: number;
  /** Bytes of weights that are then there. */
  offloadedBytes: number;
}

/** As many layers as fit with their part of the context's cache, together with what computing takes. */
export function fitGpuLayers(shape: ModelShape, plan: ContextPlan, devices: readonly NativeDevice[]): GpuFit {
  const free = devices
    .filter(({ type }) => type === "gpu")
    .reduce((sum, { freeBytes }) => sum + freeBytes * usedShare, 0);
  if (free === 0 || shape.layerCount === 0) return { layers: 0, offloadedBytes: 0 };
  const room = free - computeBytes(shape, plan);
  const layerWeights = (shape.weightBytes - shape.outerWeightBytes) / shape.layerCount;
  const layerBytes = layerWeights + cacheBytes(shape, plan) / shape.layerCount;
  const layers = Math.max(0, Math.min(shape.layerCount, Math.floor(room / layerBytes)));
  const outputFits = layers === shape.layerCount && room - layers * layerBytes >= shape.outerWeightBytes;
  if (outputFits) return { layers: layers + 1, offloadedBytes: shape.weightBytes };
  return { layers, offloadedBytes: layers * layerWeights };
}
