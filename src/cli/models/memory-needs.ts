import { cpuMicroBatchSize, estimateMemory, gpuMicroBatchSize } from "../../model/memory-estimate.js";
import type { ModelShape } from "../../model/model-shape.js";
import { usedShare } from "../../model/placement.js";
import type { Fit, MachineOverview, MemoryNeed } from "./overview.js";
import { kvTypes } from "./overview.js";

/** What a model takes with contexts of several sizes, the full one last, in every type of KV cache. */
export function needsOf(shape: ModelShape, machine: MachineOverview, sizes: readonly number[]): MemoryNeed[] {
  const full = shape.contextLength || 4096;
  const contextSizes = [...new Set([...sizes.filter((size) => size < full), full])];
  return kvTypes.flatMap((kvType) =>
    contextSizes.map((contextSize) => {
      const bytes = estimateMemory(shape, {
        contextSize,
        kvTypeK: kvType,
        kvTypeV: kvType,
        sequences: 4,
        microBatchSize: machine.gpuFreeBytes > 0 ? gpuMicroBatchSize : cpuMicroBatchSize,
        flashAttention: "auto",
      }).totalBytes;
      return { contextSize, kvType, bytes, fit: fitOf(bytes, machine) };
    }),
  );
}

function fitOf(bytes: number, { gpuFreeBytes, availableBytes, totalBytes }: MachineOverview): Fit {
  if (bytes <= gpuFreeBytes * usedShare) return "gpu";
  if (bytes <= availableBytes * 0.96) return "yes";
  return bytes <= totalBytes * 0.9 ? "busy" : "no";
}
