import { contextWish } from "../../context/context-options.js";
import type { ContextOptions } from "../../context/context-options.js";
import type { ContextFit } from "../../model/fit.js";
import { contextBudget, fitContext } from "../../model/fit.js";
import { availableMemory } from "../../model/machine-memory.js";
import { overheadBytes } from "../../model/memory-estimate.js";
import { readModelShape } from "../../model/model-memory.js";
import { inRam, weightNeeds } from "../../model/placement.js";

export interface ModelNeeds {
  /** What the options of its context left open. */
  readonly context: Pick<ContextFit, "contextSize" | "kvType">;
  /** Of weights, KV cache, buffers and the RAM tier. */
  readonly bytes: number;
}

/**
 * What a model and its context will take, from the headers of its files. Sizes that are "auto" are chosen for what a memory
 * budget leaves, or the machine where that is less; others are not checked here.
 */
export async function modelNeeds(
  path: string,
  options: ContextOptions,
  defaultSize: number,
  budgetBytes: number,
): Promise<ModelNeeds> {
  const shape = await readModelShape(path);
  const modelBytes = weightNeeds(shape, inRam).ram + overheadBytes(shape) + (options.ramCacheSize ?? 0);
  const contextSize = options.contextSize ?? Math.min(defaultSize, shape.contextLength || defaultSize);
  const wish = contextWish({ ...options, contextSize }, shape.contextLength, "the server");
  const isOpen = wish.contextSize === "auto" || wish.kvType === "auto";
  const budget = isOpen ? Math.min(budgetBytes - modelBytes, contextBudget(availableMemory(), modelBytes)) : Infinity;
  const fit = fitContext(shape, wish, budget);
  return {
    context: { contextSize: fit.contextSize, kvType: fit.kvType },
    bytes: Math.round(modelBytes + fit.neededBytes),
  };
}
