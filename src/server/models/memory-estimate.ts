import type { ContextOptions } from "../../context/context-options.js";
import { inspectModel } from "../../model/inspect-model.js";

/** Of one number in the KV cache, blocks with their scales. */
const bytesPerNumber: Readonly<Record<string, number>> = {
  f32: 4,
  f16: 2,
  bf16: 2,
  q8_0: 34 / 32,
  q5_1: 24 / 32,
  q5_0: 22 / 32,
  q4_1: 20 / 32,
  q4_0: 18 / 32,
  iq4_nl: 18 / 32,
};

/** Compute buffers and the rest of a context, roughly. */
const contextOverheadBytes = 128 * 2 ** 20;

export interface ModelNeeds {
  readonly contextSize: number;
  readonly bytes: number;
}

/** What a model and its context will take, from the header of its file. */
export async function estimateNeeds(path: string, options: ContextOptions, defaultSize: number): Promise<ModelNeeds> {
  const { metadata, tensors } = await inspectModel(path);
  const architecture = String(metadata["general.architecture"]);
  const number = (key: string, fallback: number): number => {
    const value = metadata[`${architecture}.${key}`];
    return typeof value === "number" && value > 0 ? value : fallback;
  };
  const contextSize = options.contextSize ?? Math.min(defaultSize, number("context_length", defaultSize));
  const heads = number("attention.head_count", 1);
  const kvHeads = number("attention.head_count_kv", heads);
  const headLength = number("attention.key_length", number("embedding_length", 0) / heads);
  const numbersPerToken = number("block_count", 0) * kvHeads * headLength;
  const { k, v } = kvTypes(options.kvType);
  const kvBytes = contextSize * numbersPerToken * ((bytesPerNumber[k] ?? 2) + (bytesPerNumber[v] ?? 2));
  const weightBytes = tensors.reduce((sum, tensor) => sum + tensor.sizeBytes, 0);
  return { contextSize, bytes: Math.round(weightBytes + kvBytes + contextOverheadBytes) };
}

function kvTypes(type: ContextOptions["kvType"] = "f16"): { k: string; v: string } {
  return typeof type === "string" ? { k: type, v: type } : type;
}
