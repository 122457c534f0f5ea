import type { KvType } from "./ggml-types.js";
import { isQuantizedType, rowBytes } from "./ggml-types.js";
import type { ModelShape } from "./model-shape.js";

/** What a context is to be made with, as far as it decides the memory. */
export interface ContextPlan {
  contextSize: number;
  kvTypeK: KvType;
  kvTypeV: KvType;
  sequences: number;
  /** Sequences that there is room for; by default spare ones too, as the engine makes them. */
  slots?: number;
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

/** The context that a model must at least have room for. */
export function smallContext({ contextLength }: ModelShape): ContextPlan {
  return {
    contextSize: Math.min(512, contextLength || 512),
    kvTypeK: "f16",
    kvTypeV: "f16",
    sequences: 1,
    microBatchSize: 512,
    flashAttention: "auto",
  };
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
export function cacheBytes(shape: ModelShape, plan: ContextPlan): number {
  return layerCacheBytes(shape, plan).reduce((sum, bytes) => sum + bytes, 0);
}

/** The same by layer. */
export function layerCacheBytes(shape: ModelShape, plan: ContextPlan): number[] {
  const { keyLengths, valueLengths, stateBytes } = shape;
  const cells = roundUpCells(plan.contextSize);
  const states = (stateBytes * plan.sequences) / Math.max(1, keyLengths.length);
  return keyLengths.map((length, layer) => {
    const cell = rowBytes(plan.kvTypeK, length) + rowBytes(plan.kvTypeV, valueLengths[layer] ?? 0);
    return cells * cell + states;
  });
}

/** Bytes of the buffers of a context that its largest step needs. */
export function computeBytes(shape: ModelShape, plan: ContextPlan): number {
  return outputBytes(shape, plan) + bufferBytes(shape, plan);
}

/** The logits of all sequences, which are kept in RAM. */
export function outputBytes({ vocabularySize }: ModelShape, { sequences, slots }: ContextPlan): number {
  return (slots ?? Math.min(256, sequences + Math.max(sequences, spareSequences))) * vocabularySize * 4;
}

/** What a step is computed in, wherever that is done. */
export function bufferBytes(shape: ModelShape, plan: ContextPlan): number {
  const { embeddingLength, feedForwardLength, vocabularySize, headCount } = shape;
  const cells = roundUpCells(plan.contextSize);
  const tokens = Math.min(plan.microBatchSize, cells);
  // Logits of a step stand where activations did before.
  const logits = plan.sequences * vocabularySize * 4;
  // The widest place of a layer: gate, up and their product, with the layer's input and output around them. A quantized
  // cache's graph is laid out more tightly, and needs buffers for unpacking.
  const isQuantized = isQuantizedType(plan.kvTypeK) || isQuantizedType(plan.kvTypeV);
  const activations = tokens * 4 * (3 * feedForwardLength + (isQuantized ? 3.24 : 4.2) * embeddingLength);
  const unpacking = isQuantized ? unpackingBytes : 0;
  // Without flash attention there are the scores too.
  const scores = plan.flashAttention === "off" ? tokens * cells * headCount * 4 : 0;
  const buffer = Math.max(logits, activations + unpacking + maskBytes(plan) + scores);
  return buffer + (buffer >= leastHugeBytes ? hugePageBytes : 0);
}

/** What a step gets to compute with: its tokens' embeddings, and the mask. */
export function inputBytes({ embeddingLength }: ModelShape, plan: ContextPlan): number {
  return plan.microBatchSize * embeddingLength * 4 + maskBytes(plan);
}

/** Who may look at whom, in half precision. */
function maskBytes({ contextSize, microBatchSize }: ContextPlan): number {
  const cells = roundUpCells(contextSize);
  return Math.min(microBatchSize, cells) * cells * 2;
}
