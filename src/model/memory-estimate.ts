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

export const cpuMicroBatchSize = 128;
export const gpuMicroBatchSize = 512;

/**
 * Tokens computed at once within a step, where nobody says how many. A step that is cancelled ends between two operations, and
 * these take as long as they have tokens; on the CPU more than 128 gain nothing (docs/performance.md).
 */
export function microBatchSizeOf(
  { microBatchSize, batchSize }: { microBatchSize?: number | undefined; batchSize: number },
  gpuLayers: number,
): number {
  return microBatchSize ?? Math.min(batchSize, gpuLayers > 0 ? gpuMicroBatchSize : cpuMicroBatchSize);
}

/** The context that a model must at least have room for. */
export function smallContext({ contextLength }: ModelShape): ContextPlan {
  return {
    contextSize: Math.min(512, contextLength || 512),
    kvTypeK: "f16",
    kvTypeV: "f16",
    sequences: 1,
    microBatchSize: cpuMicroBatchSize,
    flashAttention: "auto",
  };
}

/** Cells of a KV cache come in groups of this many. */
const cellGroup = 256;
/** Sequences beyond the running ones, kept for their prefixes; see the engine. */
const spareSequences = 16;
/** States that are kept of a context's prompts, in bytes; see native/core/scheduler.cpp. */
const checkpointLimit = 256 << 20;

/** Rows of logits that a step may give beyond one for each sequence; see native/core/decoder.cpp. */
const spareOutputs = 32;

/** Measured: what a token of a vocabulary, a pair of its tokenizer and a layer's nodes take, and programs besides. */
const bytesPerToken = 190;
const bytesPerMerge = 300;
const bytesPerLayer = 50_000;
const fixedBytes = 7_500_000;
/** Measured: what it takes to know whose tokens a cell of a KV cache holds, and which the engine has given to whom. */
const bytesPerCell = 100;
const bytesPerContextToken = 50;
/** Inputs of products are packed in eight bits, with their scales. */
const packedBytesPerNumber = 1.14;
/** Buffers of this size lie in huge pages, which are touched as a whole; see native/cmake/huge_pages.h. */
const leastHugeBytes = 8 << 20;
const hugePageBytes = 2 << 20;

/**
 * The memory that a model and one context take when the context is full, beyond what a process with the addon takes
 * without them. By the rules of llama.cpp's allocations.
 */
export function estimateMemory(shape: ModelShape, plan: ContextPlan): MemoryEstimate {
  const parts = {
    weightBytes: shape.weightBytes + shape.tiedCopyBytes,
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
  return roundUp(contextSize, cellGroup);
}

/** Bytes of the caches and states of a context. */
export function cacheBytes(shape: ModelShape, plan: ContextPlan): number {
  return layerCacheBytes(shape, plan).reduce((sum, bytes) => sum + bytes, 0);
}

/** The same by layer. */
export function layerCacheBytes(shape: ModelShape, plan: ContextPlan): number[] {
  const { keyLengths, valueLengths, stateBytes } = shape;
  const cells = roundUpCells(plan.contextSize);
  const slots = slotCount(shape, plan);
  return keyLengths.map((length, layer) => {
    const cell = rowBytes(plan.kvTypeK, length) + rowBytes(plan.kvTypeV, valueLengths[layer] ?? 0);
    return cells * cell + slots * (stateBytes[layer] ?? 0);
  });
}

/** States that a prompt as long as the context leaves, to go on from; see native/core/checkpoints.cpp. */
export function checkpointBytes(shape: ModelShape, plan: ContextPlan): number {
  const last = plan.contextSize - 1;
  const count = Math.floor(Math.min(last, 1024) / 128) + Math.floor(Math.max(0, last - 1024) / 512) + 1;
  return keptBytes(shape, plan, count);
}

/** What more many short messages leave, each of some dozen tokens. */
export function spareCheckpointBytes(shape: ModelShape, plan: ContextPlan): number {
  return keptBytes(shape, plan, plan.contextSize / 32) - checkpointBytes(shape, plan);
}

/** Of contexts that the engine makes spare sequences in, and whose memory cannot be cut. */
function keptBytes(shape: ModelShape, { slots }: ContextPlan, count: number): number {
  if (slots !== undefined || shape.windows !== "none") return 0;
  return Math.min(checkpointLimit, count * stateSize(shape));
}

/** Of all layers, for one sequence. */
function stateSize({ stateBytes }: ModelShape): number {
  return stateBytes.reduce((sum, bytes) => sum + bytes, 0);
}

/** Bytes of the buffers of a context that its largest step needs. */
export function computeBytes(shape: ModelShape, plan: ContextPlan): number {
  return outputBytes(shape, plan) + bufferBytes(shape, plan);
}

/** What a context keeps in RAM in any case: the logits of all sequences, whose tokens the cells hold, and checkpoints. */
export function outputBytes(shape: ModelShape, plan: ContextPlan): number {
  const { vocabularySize, windows, hasCache } = shape;
  const caches = hasCache ? (hasCells(shape) ? 1 : 0) + (windows === "none" ? 0 : 1) : 0;
  const bookkeeping = roundUpCells(plan.contextSize) * (caches * bytesPerCell + bytesPerContextToken);
  return slotCount(shape, plan) * vocabularySize * 4 + bookkeeping + checkpointBytes(shape, plan);
}

/** Recurrent models have none. */
function hasCells({ keyLengths }: ModelShape): boolean {
  return keyLengths.some((length) => length > 0);
}

function slotCount(shape: ModelShape, { sequences, slots }: ContextPlan): number {
  const spare = stateSize(shape) > 0 ? sequences : Math.max(sequences, spareSequences);
  return slots ?? Math.min(256, sequences + spare);
}

/** What a step is computed in, in RAM. */
export function bufferBytes(shape: ModelShape, plan: ContextPlan): number {
  const { feedForwardLength, vocabularySize } = shape;
  const tokens = stepTokens(shape, plan);
  const layers = layerBytes(shape, plan);
  // Logits stand where the layers' activations did before. There is room for more rows of them than steps have.
  const rows = Math.min(tokens, slotCount(shape, plan) + spareOutputs);
  const reserved = Math.max(layers, rows * vocabularySize * 4);
  const used = Math.max(layers, plan.sequences * vocabularySize * 4);
  const packed = tokens * feedForwardLength * packedBytesPerNumber;
  return (reserved >= leastHugeBytes ? Math.min(reserved, roundUp(used, hugePageBytes)) : used) + packed;
}

function roundUp(bytes: number, step: number): number {
  return Math.ceil(bytes / step) * step;
}

/**
 * The same on a GPU: measured with Vulkan by what llama.cpp allocates there, all of which counts. Quantized inputs of products
 * have buffers of the backend's own besides, as large as the packed ones of a CPU.
 */
export function deviceBufferBytes(shape: ModelShape, plan: ContextPlan): number {
  const { embeddingLength, feedForwardLength, vocabularySize } = shape;
  const tokens = stepTokens(shape, plan);
  const rows = Math.min(tokens, slotCount(shape, plan) + spareOutputs);
  const layers = tokens * 4 * (widestLength(shape) + 2.25 * embeddingLength) + maskBytes(shape, plan);
  const widest = plan.flashAttention === "off" ? Math.max(layers, scoreBytes(shape, plan)) : layers;
  return Math.max(widest, rows * vocabularySize * 4) + tokens * feedForwardLength * packedBytesPerNumber;
}

/** Numbers of a token at the widest place of a layer: gate, up and their product. */
function widestLength({ feedForwardLength, stateWidth }: ModelShape): number {
  // Of layers with states: two halves of what goes in, what comes out of the convolution, and out of the states.
  return Math.max(3 * feedForwardLength, 4 * stateWidth);
}

/** The widest place of a layer. */
function layerBytes(shape: ModelShape, plan: ContextPlan): number {
  const { embeddingLength, layerCount } = shape;
  const tokens = stepTokens(shape, plan);
  // The layer's input and output are around it. What earlier layers had leaves holes, fewer
  // where a quantized cache makes queries be rotated, and none in the first layer; the last one is for few tokens.
  const isQuantized = isQuantizedType(plan.kvTypeK) || isQuantizedType(plan.kvTypeV);
  const besides = isQuantized ? 3 : layerCount > 2 ? 4 : 2;
  const feedForward = tokens * 4 * (widestLength(shape) + besides * embeddingLength) + maskBytes(shape, plan);
  return plan.flashAttention === "off" ? Math.max(feedForward, scoreBytes(shape, plan)) : feedForward;
}

/** Without flash attention there are the scores too, and the mask is in single precision. */
function scoreBytes(shape: ModelShape, plan: ContextPlan): number {
  const { embeddingLength, headCount } = shape;
  const scores = roundUpCells(plan.contextSize) * headCount;
  return stepTokens(shape, plan) * 4 * (scores + 6 * embeddingLength) + 2 * maskBytes(shape, plan);
}

/** Tokens that buffers are made for: llama.cpp gives every sequence as many. */
function stepTokens(shape: ModelShape, plan: ContextPlan): number {
  const slots = slotCount(shape, plan);
  return roundUp(Math.min(plan.microBatchSize, roundUpCells(plan.contextSize)), slots);
}

/** Texts of which embeddings are made at once. */
export const embeddingSequences = 16;

/** Bytes of a context that makes embeddings of texts of so many tokens, without their logits; see native/cmake/embeddings.h. */
export function embeddingBytes(shape: ModelShape, contextSize: number, sequences = embeddingSequences): number {
  const plan: ContextPlan = {
    contextSize,
    kvTypeK: "f16",
    kvTypeV: "f16",
    sequences,
    slots: sequences,
    microBatchSize: contextSize,
    flashAttention: "auto",
  };
  const vectors = contextSize * shape.embeddingLength * 4;
  return cacheBytes(shape, plan) + bufferBytes({ ...shape, vocabularySize: 0 }, plan) + vectors;
}

/** What goes to and fro for attention that is computed elsewhere than its layer. */
export function attentionBytes(shape: ModelShape, plan: ContextPlan): number {
  return 2 * stepTokens(shape, plan) * shape.embeddingLength * 4;
}

/** What a step gets to compute with: its tokens' embeddings, and the mask. */
export function inputBytes(shape: ModelShape, plan: ContextPlan): number {
  return plan.microBatchSize * shape.embeddingLength * 4 + maskBytes(shape, plan);
}

/** Who may look at whom, in half precision; where some layers have a window, theirs besides. */
function maskBytes(shape: ModelShape, plan: ContextPlan): number {
  const masks = shape.windows === "some" ? 2 : hasCells(shape) || !shape.hasCache ? 1 : 0;
  return masks * stepTokens(shape, plan) * roundUpCells(plan.contextSize) * 2;
}
