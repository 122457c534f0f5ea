import { LlamaError } from "../errors.js";
import type { KvType } from "./ggml-types.js";
import type { AvailableMemory } from "./machine-memory.js";
import type { ContextPlan } from "./memory-estimate.js";
import { cacheBytes, computeBytes, overheadBytes } from "./memory-estimate.js";
import type { ModelShape } from "./model-shape.js";

/** The smallest context that is worth making. */
export const smallestContext = 256;
/** A context that is made smaller than this where a coarser cache would make it larger is of little use. */
const usefulContext = 2048;

/** KV cache types by precision, which "auto" tries in this order. */
const automaticTypes = ["f16", "q8_0", "q4_0"] as const;

export type AutomaticKvType = (typeof automaticTypes)[number];

/** What is asked of a context; `most` bounds an automatic size. */
export interface ContextWish extends Omit<ContextPlan, "contextSize" | "kvTypeK" | "kvTypeV"> {
  contextSize: number | "auto";
  most: number;
  kvType: { k: KvType; v: KvType } | "auto";
}

export interface ContextFit {
  contextSize: number;
  kvType: { k: KvType; v: KvType };
  /** Of the context: its KV cache and compute buffers. */
  neededBytes: number;
  /** What there was for it, a margin left aside. */
  availableBytes: number;
  /** A sentence that says what was chosen and why. */
  reason: string;
}

/** Room that is left for everything else that happens: a share of what there is, within bounds. */
function marginOf(bytes: number): number {
  return Math.min(1e9, Math.max(48e6, bytes * 0.04));
}

/** Addresses that the allocator sets aside for threads, of which they use little. */
const threadAddressBytes = 160e6;

/** What a context may take beside weights that are only mapped so far, and of which the system counts every page as free. */
export function contextBudget(available: AvailableMemory, mappedBytes: number): number {
  const addresses = available.addressBytes - threadAddressBytes;
  const bytes = available.bytes - mappedBytes - marginOf(available.bytes);
  return Math.max(0, Math.min(bytes, addresses - marginOf(addresses)));
}

/**
 * Chooses size and type of a context's KV cache where they are "auto": the most tokens that fit, in the finest type in
 * which all that are wanted do.
 *
 * @throws LlamaError `INSUFFICIENT_MEMORY` where what is asked for does not fit, with what would
 */
export function fitContext(shape: ModelShape, wish: ContextWish, budgetBytes: number): ContextFit {
  const types = typesOf(wish);
  const wanted = wish.contextSize === "auto" ? wish.most : wish.contextSize;
  for (const type of types) {
    const plan = planOf(wish, wanted, type);
    if (contextBytes(shape, plan) <= budgetBytes) return describeFit(shape, wish, plan, budgetBytes);
  }
  if (wish.contextSize === "auto") {
    for (const [index, type] of types.entries()) {
      const size = largestContext(shape, wish, type, budgetBytes);
      // Coarser types are for what finer ones cannot hold.
      const isLast = index === types.length - 1;
      if (size < smallestContext || (!isLast && (type.k === "f16" || size < Math.min(usefulContext, wanted)))) continue;
      return describeFit(shape, wish, planOf(wish, size, type), budgetBytes);
    }
  }
  throw tooLarge(shape, wish, wish.contextSize === "auto" ? smallestContext : wanted, budgetBytes);
}

function typesOf({ kvType, flashAttention }: ContextWish): readonly { k: KvType; v: KvType }[] {
  if (kvType !== "auto") return [kvType];
  // Quantized values need flash attention.
  const names = flashAttention === "off" ? automaticTypes.slice(0, 1) : automaticTypes;
  return names.map((name) => ({ k: name, v: name }));
}

function planOf(wish: ContextWish, contextSize: number, type: { k: KvType; v: KvType }): ContextPlan {
  const { sequences, microBatchSize, flashAttention } = wish;
  return { contextSize, kvTypeK: type.k, kvTypeV: type.v, sequences, microBatchSize, flashAttention };
}

function contextBytes(shape: ModelShape, plan: ContextPlan): number {
  return cacheBytes(shape, plan) + computeBytes(shape, plan);
}

/** The most tokens, in steps in which caches grow, that fit; 0 where none do. */
function largestContext(
  shape: ModelShape,
  wish: ContextWish,
  type: { k: KvType; v: KvType },
  budgetBytes: number,
): number {
  let fits = 0;
  let fails = Math.ceil(wish.most / smallestContext);
  while (fails - fits > 1) {
    const middle = (fits + fails) >> 1;
    if (contextBytes(shape, planOf(wish, middle * smallestContext, type)) <= budgetBytes) fits = middle;
    else fails = middle;
  }
  return fits * smallestContext;
}

function describeFit(shape: ModelShape, wish: ContextWish, plan: ContextPlan, availableBytes: number): ContextFit {
  const { contextSize, kvTypeK: k, kvTypeV: v } = plan;
  const neededBytes = contextBytes(shape, plan);
  const why =
    wish.contextSize !== "auto"
      ? "as asked for"
      : contextSize === wish.most
        ? "as large as it may be"
        : "the most that fit";
  const reason =
    `A context of ${contextSize} tokens, ${why}, with a KV cache in ${typeName({ k, v })}: ` +
    `it takes ${gigabytes(neededBytes)} of ${gigabytes(availableBytes)} that are available beside the model`;
  return { contextSize, kvType: { k, v }, neededBytes, availableBytes, reason };
}

function tooLarge(shape: ModelShape, wish: ContextWish, contextSize: number, availableBytes: number): LlamaError {
  const types = typesOf(wish);
  const type = types.at(-1) ?? { k: "f16", v: "f16" };
  const neededBytes = contextBytes(shape, planOf(wish, contextSize, type));
  const fitting = largestContext(
    shape,
    { ...wish, most: Math.max(contextSize, smallestContext) },
    type,
    availableBytes,
  );
  const advice = [
    ...(fitting >= smallestContext ? [`a contextSize of ${fitting}`] : []),
    ...finerAdvice(shape, wish, contextSize, type, availableBytes),
  ];
  const what = `A context of ${contextSize} tokens with a KV cache in ${typeName(type)}`;
  const wayOut =
    advice.length > 0 ? `${advice.join(", or ")} would fit` : "free memory, or take a smaller model or quantization";
  return new LlamaError(
    "INSUFFICIENT_MEMORY",
    `${what} takes ${gigabytes(neededBytes)}, but ${gigabytes(availableBytes)} are available for it; ${wayOut}`,
    { details: { contextSize, neededBytes, availableBytes, fittingContextSize: fitting } },
  );
}

/** The finest type in which the whole context would fit, where that was not asked for. */
function finerAdvice(
  shape: ModelShape,
  wish: ContextWish,
  contextSize: number,
  type: { k: KvType; v: KvType },
  availableBytes: number,
): string[] {
  const found = typesOf({ ...wish, kvType: "auto" }).find((other) => {
    return other.k !== type.k && contextBytes(shape, planOf(wish, contextSize, other)) <= availableBytes;
  });
  return found === undefined ? [] : [`the kvType ${JSON.stringify(found.k)}`];
}

function typeName({ k, v }: { k: KvType; v: KvType }): string {
  return k === v ? k : `${k} and ${v}`;
}

/** How a model is to be loaded, as far as it decides the memory. */
export interface LoadPlan {
  /** Weights stay in the mapped file, from which the system can read them again. */
  mapped: boolean;
  /** Bytes of weights that go to GPUs. */
  offloadedBytes: number;
}

/** Bits a weight of usual quantizations, the finest first. */
const usualBits: readonly (readonly [name: string, bits: number])[] = [
  ["F16", 16],
  ["Q8_0", 8.5],
  ["Q6_K", 6.57],
  ["Q5_K_M", 5.7],
  ["Q4_K_M", 4.85],
  ["Q3_K_M", 3.9],
  ["Q2_K", 3.0],
];

/**
 * Refuses a model that does not fit together with a small context, before anything is allocated.
 *
 * @throws LlamaError `INSUFFICIENT_MEMORY`, with the quantization that would fit
 */
export function checkModelFits(shape: ModelShape, plan: LoadPlan, available: AvailableMemory, path: string): void {
  const context: ContextPlan = {
    contextSize: Math.min(512, shape.contextLength || 512),
    kvTypeK: "f16",
    kvTypeV: "f16",
    sequences: 1,
    microBatchSize: 512,
    flashAttention: "auto",
  };
  const besides = overheadBytes(shape) + contextBytes(shape, context);
  const weights = shape.weightBytes - plan.offloadedBytes;
  const neededBytes = (plan.mapped ? 0 : weights) + besides;
  // Weights are mapped from the file first, and rearranged beside that.
  const neededAddresses = shape.weightBytes + neededBytes + threadAddressBytes;
  const room = available.bytes - marginOf(available.bytes);
  const tight = neededAddresses > available.addressBytes;
  if (neededBytes <= room && !tight) return;
  const availableBytes = Math.max(
    0,
    tight ? Math.min(room, available.addressBytes - shape.weightBytes - threadAddressBytes) : room,
  );
  const label = quantizationThatFits(shape, availableBytes - besides);
  const advice = label === undefined ? "A smaller model is needed" : `A quantization of ${label} or less would fit`;
  throw new LlamaError(
    "INSUFFICIENT_MEMORY",
    `${path} takes ${gigabytes(neededBytes)} with a small context, but ${limitText(available, tight)} ` +
      `leaves ${gigabytes(availableBytes)}. ${advice}.`,
    { details: { path, neededBytes, availableBytes, limit: tight ? "process" : available.limit } },
  );
}

function limitText({ limit }: AvailableMemory, tight: boolean): string {
  if (tight || limit === "process") return "the limit of this process";
  return limit === "container" ? "the limit of this container or service" : "this machine";
}

function quantizationThatFits({ parameterCount }: ModelShape, bytes: number): string | undefined {
  const bits = (bytes * 8) / parameterCount;
  return usualBits.find(([, needed]) => needed <= bits)?.[0];
}

function gigabytes(bytes: number): string {
  return bytes < 0.995e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
