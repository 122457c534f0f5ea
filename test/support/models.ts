import { dirname, join } from "node:path";

import { withLock } from "../../scripts/lib/lock.mjs";
import { cachedModel } from "../../scripts/models/cached-model.mjs";
import { modelsDirectory, resolveModel } from "../../src/hub/index.js";

type GeneratorOptions = Parameters<typeof cachedModel>[0];
type WeightType = GeneratorOptions["type"];

/** The models for other kinds of memory: those that cannot be cut at any position, and one of compressed keys. */
export type MemoryShape =
  "recurrent" | "recurrent-140m" | "hybrid" | "sliding-window" | "hybrid-sliding-window" | "latent";

/**
 * Models for tests and benchmarks, made or fetched on first use and kept in the cache folder (generated ones in
 * `LLAMA_NATIVE_TEST_MODELS` where it is set). Any number of processes may ask for one at the same time.
 *
 * Generated models have Mistral-7B-Instruct-v0.2's vocabulary and template, and random weights.
 */
async function generated(options: Partial<GeneratorOptions>): Promise<string> {
  const defaults: GeneratorOptions = { shape: "tiny", type: "q4_k_m", seed: 1, split: 1, vocabularyOnly: false };
  const [first] = await cachedModel({ ...defaults, ...options });
  if (first === undefined) throw new Error("No model was written");
  return first;
}

/** 3 or 4 layers, 128 wide, all weights in 32 bits, 36 MB; one of 24 layers has 560 MB. A window has 64 tokens. */
export async function memoryModel(shape: MemoryShape): Promise<string> {
  return generated({ shape, type: "f32" });
}

/** BERT's shape: 3 layers, 128 wide; makes embeddings alone, of texts of up to 512 tokens. */
export async function encoderModel(): Promise<string> {
  return generated({ shape: "encoder", type: "f32" });
}

/** Mistral's shape: 2 layers, 256 wide; 12 MB. `seed` picks the weights. */
export async function tinyModel(type: WeightType = "q4_k_m", seed = 1): Promise<string> {
  return generated({ type, seed });
}

/** The same with tokens for filling gaps. */
export async function gapModel(): Promise<string> {
  return generated({ shape: "tiny-gaps" });
}

/** The first of the three files of the tiny model. */
export async function splitTinyModel(): Promise<string> {
  return generated({ split: 3 });
}

/** 125 million parameters in 80 MB (Q4_K_M). */
export async function model125m(type: WeightType = "q4_k_m"): Promise<string> {
  return generated({ shape: "125m", type });
}

/** The shape of Mistral-7B itself: 4.37 GB (Q4_K_M). */
export async function model7b(type: WeightType = "q4_k_m"): Promise<string> {
  return generated({ shape: "7b", type });
}

/** Metadata and vocabulary without tensors: load it with `vocabularyOnly`. */
export async function vocabularyOnly(): Promise<string> {
  return generated({ vocabularyOnly: true });
}

/** SmolLM2-135M-Instruct: a small model that was really trained. */
export async function smollm2(): Promise<string> {
  // Resolving needs no lock; it keeps test files that start together from each downloading it.
  return withLock(join(dirname(modelsDirectory()), "smollm2.lock"), () => resolveModel("smollm2"));
}
