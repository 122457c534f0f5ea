import { budgetBesides, modelFits } from "../../model/fit.js";
import type { AvailableMemory } from "../../model/machine-memory.js";
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
import { contextNeeds, inRam, weightNeeds } from "../../model/placement.js";
import type { Fit, MemoryNeed } from "./overview.js";
import { kvTypes } from "./overview.js";

/** What memory there is for a model. */
export interface Room {
  totalBytes: number;
  available: AvailableMemory;
  devices: readonly DeviceMemory[];
}

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
      const isEmbedder = kvType === null;
      const bytes = isEmbedder ? embeddingNeed(shape, contextSize) : estimateMemory(shape, plan).totalBytes;
      const ofContext = isEmbedder ? embeddingBytes(shape, contextSize) : contextNeeds(shape, plan).ram;
      return {
        contextSize,
        kvType,
        bytes,
        fit: fitOf(shape, ofContext, deviceFit(shape, plan, placement, room), room),
      };
    }),
  );
}

/** Of a model that makes embeddings alone, with the context that it makes for a text of so many tokens. */
function embeddingNeed(shape: ModelShape, tokens: number): number {
  return shape.weightBytes + shape.tiedCopyBytes + overheadBytes(shape) + embeddingBytes(shape, tokens);
}

/** What a machine gives to models when nothing else runs. */
const quietShare = 0.94;

/** Whether devices hold their part of the model, and RAM the rest. */
function deviceFit(shape: ModelShape, plan: ContextPlan, placement: Placement, room: Room): "gpu" | "both" | undefined {
  if (placement.gpuLayers === 0) return undefined;
  const [weights, context] = [weightNeeds(shape, placement), contextNeeds(shape, plan, placement)];
  const areHeld = placement.devices.every(({ freeBytes }, index) => {
    return (weights.devices[index] ?? 0) + (context.devices[index] ?? 0) <= freeBytes;
  });
  if (!areHeld || !ramHolds(shape, placement, context.ram, room.available)) return undefined;
  return placement.gpuLayers > shape.layerCount ? "gpu" : "both";
}

/** Whether a load with such a context would be let through; `contextBytes` are what that takes of RAM. */
function ramHolds(shape: ModelShape, placement: Placement, contextBytes: number, available: AvailableMemory): boolean {
  const modelBytes = weightNeeds(shape, placement).ram + overheadBytes(shape);
  return (
    modelFits(shape, { mapped: false, placement }, available) &&
    contextBytes <= budgetBesides(shape, modelBytes, available)
  );
}

function fitOf(
  shape: ModelShape,
  contextBytes: number,
  onDevices: "gpu" | "both" | undefined,
  { available, totalBytes }: Room,
): Fit {
  if (onDevices === "gpu") return "gpu";
  if (ramHolds(shape, inRam, contextBytes, available)) return "yes";
  if (onDevices !== undefined) return onDevices;
  // A limit of the process stays when other programs leave.
  const bytes = available.limit === "process" ? available.bytes : totalBytes * quietShare;
  return ramHolds(shape, inRam, contextBytes, { ...available, bytes }) ? "busy" : "no";
}
