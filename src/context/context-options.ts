import { InvalidOptionError, LlamaError } from "../errors.js";
import type { Model } from "../model/model.js";
import type { NativeContextParams } from "../native/contract.js";
import type { Check, RulesFor } from "../validate.js";
import {
  aBoolean,
  aNumber,
  anInteger,
  oneOf,
  optional,
  optionsObject,
  readOptions,
  required,
  withDefault,
} from "../validate.js";

export type KvType = "f32" | "f16" | "bf16" | "q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | "iq4_nl";

export interface ContextOptions {
  /** Tokens the KV cache holds for all sequences together. Default 4096, or the model's context length if that is less. */
  contextSize?: number | undefined;
  /**
   * Requests that may run at once, 1 to 255; further ones wait in the queue. They share `contextSize`, so a higher number
   * takes no more memory but for recurrent models. Default 4.
   */
  sequences?: number | undefined;
  /** Tokens of one step at most, no fewer than `sequences`. Default 512. */
  batchSize?: number | undefined;
  /** Tokens computed at once within a step; sets the size of the compute buffers. Default 512, at most `batchSize`. */
  microBatchSize?: number | undefined;
  /** Threads for generating; 0 (default) is what suits this machine. */
  threads?: number | undefined;
  /** Threads for prompts; 0 (default) is as many as `threads`. */
  batchThreads?: number | undefined;
  /** Number format of the KV cache. Default "f16"; "q8_0" takes about half the memory. */
  kvType?: KvType | { k: KvType; v: KvType } | undefined;
  /** Default "auto": on where the backend has it. A quantized `v` needs it. */
  flashAttention?: "auto" | "on" | "off" | boolean | undefined;
  /** Keep the KV cache on the GPU, where there is one. Default true. */
  offloadKv?: boolean | undefined;
  /** Requests that may wait; one more is refused with `QUEUE_FULL`. Default 1024. */
  queueSize?: number | undefined;
  /**
   * Milliseconds that a token may wait for the next ones, so that they reach JavaScript together: a fast model's single
   * stream then takes a third of the JS thread's time. First tokens, ends, and steps of four tokens or more never wait.
   * Default 25; 0 hands over every step's tokens at once.
   */
  packetInterval?: number | undefined;
  /**
   * Bytes of RAM for sequences that have to leave the KV cache: a prompt that begins like one of them takes it back,
   * instead of evaluating it again. Default 0: off.
   */
  ramCacheSize?: number | undefined;
  /** Overrides of the model's rotary position embedding; 0 (default) takes the model's. */
  ropeFrequencyBase?: number | undefined;
  ropeFrequencyScale?: number | undefined;
}

const int32Max = 0x7fffffff;
const defaultContextSize = 4096;
const defaultBatchSize = 512;

const aKvTypeName = oneOf("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl");
const aKvTypePair = optionsObject({ k: required(aKvTypeName), v: required(aKvTypeName) });
const aKvType: Check<{ k: KvType; v: KvType }> = (value, name) => {
  if (typeof value === "object") return aKvTypePair(value, name);
  const type = aKvTypeName(value, name);
  return { k: type, v: type };
};

const flashAttention: Check<"auto" | "on" | "off"> = (value, name) => {
  if (typeof value === "boolean") return value ? "on" : "off";
  return oneOf("auto", "on", "off")(value, name);
};

export const contextRules = {
  contextSize: optional(anInteger(1, int32Max)),
  sequences: withDefault(anInteger(1, 255), 4),
  batchSize: withDefault(anInteger(1, int32Max), defaultBatchSize),
  microBatchSize: optional(anInteger(1, int32Max)),
  threads: withDefault(anInteger(0, 512), 0),
  batchThreads: withDefault(anInteger(0, 512), 0),
  kvType: withDefault(aKvType, { k: "f16", v: "f16" }),
  flashAttention: withDefault(flashAttention, "auto"),
  offloadKv: withDefault(aBoolean, true),
  queueSize: withDefault(anInteger(0, int32Max), 1024),
  packetInterval: withDefault(aNumber(0, 60_000), 25),
  ramCacheSize: withDefault(anInteger(0), 0),
  ropeFrequencyBase: withDefault(aNumber(0), 0),
  ropeFrequencyScale: withDefault(aNumber(0), 0),
} satisfies RulesFor<ContextOptions>;

/** What a context is made of, besides its model. */
export interface ContextPlan {
  readonly params: NativeContextParams;
  /** Drafts tokens for its requests. */
  readonly draft?: Model | undefined;
}

/** Reads options of `createContext` for a model; refuses one without weights. */
export function readContextOptions(options: unknown, model: Model, owner = "createContext"): NativeContextParams {
  const read = readOptions(owner, contextRules, options);
  requireWeights(model, owner);
  if (read.batchSize < read.sequences) {
    throw new InvalidOptionError("batchSize", `at least sequences (${read.sequences})`, read.batchSize);
  }
  const microBatchSize = read.microBatchSize ?? Math.min(defaultBatchSize, read.batchSize);
  if (microBatchSize > read.batchSize) {
    throw new InvalidOptionError("microBatchSize", `at most batchSize (${read.batchSize})`, microBatchSize);
  }
  if (read.flashAttention === "off" && !read.kvType.v.endsWith("f16") && read.kvType.v !== "f32") {
    throw new InvalidOptionError("flashAttention", `"auto" or "on" with the kvType ${read.kvType.v}`, "off");
  }
  return {
    contextSize: read.contextSize ?? Math.min(defaultContextSize, model.info.contextLength || defaultContextSize),
    sequences: read.sequences,
    batchSize: read.batchSize,
    microBatchSize,
    threads: read.threads,
    batchThreads: read.batchThreads,
    kvTypeK: read.kvType.k,
    kvTypeV: read.kvType.v,
    flashAttention: read.flashAttention,
    offloadKv: read.offloadKv,
    queueSize: read.queueSize,
    packetIntervalMs: read.packetInterval,
    ramCacheBytes: read.ramCacheSize,
    ropeFrequencyBase: read.ropeFrequencyBase,
    ropeFrequencyScale: read.ropeFrequencyScale,
    embeddings: false,
    pooling: "default",
  };
}

export function requireWeights(model: Model, owner: string): void {
  if (model.info.vocabularyOnly) {
    throw new LlamaError("INVALID_OPTION", `${owner} needs the model's weights, but it was loaded with vocabularyOnly`);
  }
}
