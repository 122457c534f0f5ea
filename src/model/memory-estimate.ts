import type { KvType } from "./ggml-types.js";
import { rowBytes } from "./ggml-types.js";
import type { ModelShape } from "./model-shape.js";

/** What a context is to be made with, as far as it decides the memory. */
export interface ContextPlan {
  contextSize: number;
  kvTypeK: KvType;
  kvTypeV: KvType;
  sequences: number;
  microBatchSize: number;
  flashAttention: "auto" | "on" | "off";
}

export interface MemoryEstimate {
  weightBytes: number;
  /** The KV cache, and the states of recurrent models. */
  cacheBytes: number;
  /** What computing takes: activations, masks, logits. */
  computeBytes: number;
  /** The vocabulary, and what programs need around a model. */
  overheadBytes: number;
  totalBytes: number;
}

/** Cells of a KV cache come in groups of this many. */
const cellGroup = 256;
/** Sequences beyond the running ones, kept for their prefixes; see the engine. */
const spareSequences = 16;

/** Measured: what a token of a vocabulary and a pair of its tokenizer take, and programs and graphs besides. */
const bytesPerToken = 190;
const bytesPerMerge = 170;
const bytesPerLayer = 400_000;
const fixedBytes = 5_400_000;
const unpackingBytes = 1_300_000;
/** Large buffers lie in huge pages, which leave no part of them untouched; see native/cmake/huge_pages.h. */
const leastHugeBytes = 8 << 20;
const hugePageBytes = 2 << 20;

/**
 * The memory that a model and one context take when the context is full, beyond what a process with the addon takes
 * without them. By the rules of llama.cpp's allocations.
 */
export function estimateMemory(shape: ModelShape, plan: ContextPlan): MemoryEstimate {
  const parts = {
    weightBytes: shape.weightBytes,
    cacheBytes: cacheBytes(shape, plan),
    computeBytes: computeBytes(shape, plan),
    overheadBytes: overheadBytes(shape),
  };
  return { ...parts, totalBytes: Object.values(parts).reduce((sum, bytes) => sum + bytes, 0) };
}

/** What a model takes without any context. */
export function overheadBytes({ vocabularySize, mergeCount, layerCount }: ModelShape): number {
  return vocabularySize * bytesPerToken + mergeCount * bytesPerMerge + layerCount * bytesPerLayer + fixedBytes;
}

export function roundUpCells(contextSize: number): number {
  return Math.ceil(contextSize / cellGroup) * cellGroup;
}

/** Bytes of the caches and states of a context. */
export function cacheBytes({ keyLengths, valueLengths, stateBytes }: ModelShape, plan: ContextPlan): number {
  const sum = (type: string, lengths: readonly number[]): number =>
    lengths.reduce((bytes, length) => bytes + rowBytes(type, length), 0);
  const cell = sum(plan.kvTypeK, keyLengths) + sum(plan.kvTypeV, valueLengths);
  return roundUpCells(plan.contextSize) * cell + stateBytes * plan.sequences;
}

/** Bytes of the buffers of a context that its largest step needs. */
export function computeBytes(shape: ModelShape, plan: ContextPlan): number {
  const { embeddingLength, feedForwardLength, vocabularySize, headCount } = shape;
  const cells = roundUpCells(plan.contextSize);
  const tokens = Math.min(plan.microBatchSize, cells);
  const slots = Math.min(256, plan.sequences + Math.max(plan.sequences, spareSequences));
  // Logits of all sequences are kept; those of a step stand where activations did before.
  const kept = slots * vocabularySize * 4;
  const logits = plan.sequences * vocabularySize * 4;
  // The widest place of a layer: gate, up and their product, with the layer's input and output around them. A quantized
  // cache's graph is laid out more tightly, and needs buffers for unpacking.
  const isQuantized = /^i?q/.test(plan.kvTypeK) || /^i?q/.test(plan.kvTypeV);
  const activations = tokens * 4 * (3 * feedForwardLength + (isQuantized ? 3.24 : 4.2) * embeddingLength);
  const unpacking = isQuantized ? unpackingBytes : 0;
  // Who may look at whom, in half precision; without flash attention the scores too.
  const mask = tokens * cells * 2;
  const scores = plan.flashAttention === "off" ? tokens * cells * headCount * 4 : 0;
  const buffer = Math.max(logits, activations + unpacking + mask + scores);
  return kept + buffer + (buffer >= leastHugeBytes ? hugePageBytes : 0);
}
