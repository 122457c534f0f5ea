import type { ContextPlan } from "../../model/memory-estimate.js";
import {
  cpuMicroBatchSize,
  embeddingBytes,
  estimateMemory,
  gpuMicroBatchSize,
  overheadBytes,
} from "../../model/memory-estimate.js";
import { placeLayers } from "../../model/gpu-layers.js";
import type { ModelShape } from "../../model/model-shape.js";
import type { DeviceMemory, Placement } from "../../model/placement.js";
import { contextNeeds, weightNeeds } from "../../model/placement.js";
import type { Fit, MachineOverview, MemoryNeed } from "./overview.js";
import { kvTypes } from "./overview.js";

/** What memory there is for a model. */
export type Room = Pick<MachineOverview, "availableBytes" | "totalBytes"> & { devices: readonly DeviceMemory[] };

/** What a model takes with contexts of several sizes, the full one last, in every type of KV cache that it may have. */
export function needsOf(shape: ModelShape, room: Room, sizes: readonly number[]): MemoryNeed[] {
  const full = shape.contextLength || 4096;
  const contextSizes = [...new Set([...sizes.filter((size) => size < full), full])];
  // As a load does that is told nothing: by a usual context, whatever the one that is made then.
  const { placement } = placeLayers(shape, "auto", { devices: room.devices }, "");
  return (shape.hasCache ? kvTypes : [null]).flatMap((kvType) =>
    contextSizes.map((contextSize) => {
      const plan: ContextPlan = {
        contextSize,
        kvTypeK: kvType ?? "f16",
        kvTypeV: kvType ?? "f16",
        sequences: 4,
        microBatchSize: room.devices.length > 0 ? gpuMicroBatchSize : cpuMicroBatchSize,
        flashAttention: "auto",
      };
      const bytes = kvType === null ? embeddingNeed(shape, contextSize) : estimateMemory(shape, plan).totalBytes;
      return { contextSize, kvType, bytes, fit: fitOf(bytes, deviceFit(shape, plan, placement, room), room) };
    }),
  );
}

/** Of a model that makes embeddings alone, with the context that it makes for a text of so many tokens. */
function embeddingNeed(shape: ModelShape, tokens: number): number {
  return shape.weightBytes + shape.tiedCopyBytes + overheadBytes(shape) + embeddingBytes(shape, tokens);
}

/** What RAM gives to models of what is free. */
const usedRamShare = 0.96;

/** Whether devices hold their part of the model, and RAM the rest. */
function deviceFit(shape: ModelShape, plan: ContextPlan, placement: Placement, room: Room): "gpu" | "both" | undefined {
  if (placement.gpuLayers === 0) return undefined;
  const [weights, context] = [weightNeeds(shape, placement), contextNeeds(shape, plan, placement)];
  const areHeld = placement.devices.every(({ freeBytes }, index) => {
    return (weights.devices[index] ?? 0) + (context.devices[index] ?? 0) <= freeBytes;
  });
  const inRam = weights.ram + context.ram + overheadBytes(shape);
  if (!areHeld || inRam > room.availableBytes * usedRamShare) return undefined;
  return placement.gpuLayers > shape.layerCount ? "gpu" : "both";
}

function fitOf(bytes: number, onDevices: "gpu" | "both" | undefined, { availableBytes, totalBytes }: Room): Fit {
  if (onDevices === "gpu") return "gpu";
  if (bytes <= availableBytes * usedRamShare) return "yes";
  return onDevices ?? (bytes <= totalBytes * 0.9 ? "busy" : "no");
}
