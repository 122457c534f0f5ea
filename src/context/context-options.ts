import { InvalidOptionError, LlamaError } from "../errors.js";
import type { ContextFit, ContextPlace, ContextWish, Drafter } from "../model/fit.js";
import { checkModelFits, checkPlainCache, contextBudget, fitContext } from "../model/fit.js";
import { aContextSize, aKvType } from "../model/context-checks.js";
import type { KvType } from "../model/ggml-types.js";
import { divide } from "../model/devices.js";
import { placeLayers, usualContext } from "../model/gpu-layers.js";
import type { LoadModelOptions } from "../model/load-options.js";
import { readLoadOptions } from "../model/load-options.js";
import { microBatchSizeOf, overheadBytes } from "../model/memory-estimate.js";
import { availableMemory, reservedBytes } from "../model/memory-ledger.js";
import type { ModelMemory } from "../model/model-memory.js";
import { readModelShape, staysMapped } from "../model/model-memory.js";
import type { Model } from "../model/model.js";
import type { DeviceMemory } from "../model/placement.js";
import { holdsLayers, layerDevices, weightNeeds } from "../model/placement.js";
import type { NativeContextParams } from "../native/contract.js";
import { devicesOf, loadAddon } from "../native/load-addon.js";
import type { Check, OptionsOf, RulesFor } from "../validate.js";
import { aBoolean, aNumber, anInteger, oneOf, optional, readOptions, withDefault } from "../validate.js";

export interface ContextOptions {
  /**
   * Tokens the KV cache holds for all sequences together. Default 4096, or the model's context length or what fits in
   * memory if that is less; "auto" is as many as fit, up to the model's context length.
   */
  contextSize?: number | "auto" | undefined;
  /**
   * Requests that may run at once, 1 to 255; further ones wait in the queue. They share `contextSize`, so a higher number
   * takes no more memory but for recurrent models. Default 4.
   */
  sequences?: number | undefined;
  /** Tokens of one step at most, no fewer than `sequences`. Default 512. */
  batchSize?: number | undefined;
  /**
   * Tokens computed at once within a step, at most `batchSize`; sets the size of the compute buffers, and how soon a cancelled
   * prompt ends. Default 512 with layers on a GPU, otherwise 128.
   */
  microBatchSize?: number | undefined;
  /** Threads for generating; 0 (default) is what suits this machine. */
  threads?: number | undefined;
  /** Threads for prompts; 0 (default) is as many as `threads`. */
  batchThreads?: number | undefined;
  /**
   * Number format of the KV cache. Default "f16"; "q8_0" takes about half the memory; "auto" is the finest of "f16", "q8_0"
   * and "q4_0" in which the context fits.
   */
  kvType?: KvType | { k: KvType; v: KvType } | "auto" | undefined;
  /** Default "auto": on where the backend has it. A quantized `v` needs it. */
  flashAttention?: "auto" | "on" | "off" | boolean | undefined;
  /** Keep the KV cache on the GPU, where there is one. Default true. */
  offloadKv?: boolean | undefined;
  /** Requests that may wait; one more is refused with `QUEUE_FULL`. Default 1024. */
  queueSize?: number | undefined;
  /**
   * Milliseconds that a token may wait for the next ones, so that they reach JavaScript together: a fast model's single
   * stream then takes a fraction of the JS thread's time. First tokens, ends, and four tokens of several streams never
   * wait. Default 25; 0 hands over every step's tokens at once.
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

const flashAttention: Check<"auto" | "on" | "off"> = (value, name) => {
  if (typeof value === "boolean") return value ? "on" : "off";
  return oneOf("auto", "on", "off")(value, name);
};

export const contextRules = {
  contextSize: optional(aContextSize),
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
export interface PlannedContext {
  params: NativeContextParams;
  /** Drafts tokens for its requests. */
  draft?: Model | undefined;
  /** Undefined where nothing is known of the model's memory. */
  fit: ContextFit | undefined;
}

/**
 * Reads options of `createContext` for a model, and decides what they leave open by the memory there is. Refuses a model
 * without weights, and with `INSUFFICIENT_MEMORY` what does not fit.
 */
export function planContext(options: unknown, model: Model, owner = "createContext", draft?: Model): PlannedContext {
  const read = readContextOptions(owner, options);
  requireWeights(model, owner);
  requireGenerator(model, owner);
  const fit = fitBeside(model, draft, read);
  const most = mostTokens(read.contextSize, model.info.contextLength);
  const kvType: { k: KvType; v: KvType } =
    fit?.kvType ?? (read.kvType === "auto" ? { k: "f16", v: "f16" } : read.kvType);
  const contextSize = fit?.contextSize ?? (typeof read.contextSize === "number" ? read.contextSize : most);
  if (fit === undefined) checkWithoutHeader(model, contextSize, kvType);
  const params: NativeContextParams = {
    contextSize,
    sequences: read.sequences,
    batchSize: read.batchSize,
    microBatchSize: microBatchSizeOf(read, model.memory?.placement.gpuLayers ?? 0),
    threads: read.threads,
    batchThreads: read.batchThreads,
    kvTypeK: kvType.k,
    kvTypeV: kvType.v,
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
  return { params, fit, draft };
}

/** What fits beside loaded models; undefined where nothing is known of their memory. */
function fitBeside(model: Model, draft: Model | undefined, read: ReadContextOptions): ContextFit | undefined {
  const { memory } = model;
  if (memory === undefined || (draft !== undefined && draft.memory === undefined)) return undefined;
  const available = availableMemory();
  const memories = [memory, ...(draft?.memory === undefined || draft === model ? [] : [draft.memory])];
  const place: ContextPlace = {
    placement: memory.placement,
    offloadKv: read.offloadKv,
    deviceBytes: freeByName(layerDevices(devicesOf(model.addon).filter(holdsLayers), available.bytes)),
    draft: draft?.memory,
  };
  const sum = (mapped: readonly ModelMemory[]): number =>
    mapped.reduce((bytes, { mappedBytes }) => bytes + mappedBytes, 0);
  const fit = (mappedBytes: number): ContextFit => {
    const budget = contextBudget(available, mappedBytes) - read.ramCacheSize;
    return fitContext(memory.shape, wishOf(read, model.info.contextLength), budget, place);
  };
  return fitWithMapped(fit, sum(memories), sum(memories.filter(({ staysMapped }) => !staysMapped)));
}

/** Allocations of devices fail without harm, and states take what they take whatever the context. */
function checkWithoutHeader({ info, addon }: Model, contextSize: number, { k, v }: { k: KvType; v: KvType }): void {
  const { layerCount, embeddingLength, headCount, headCountKv, isRecurrent, isHybrid } = info;
  if (isRecurrent || isHybrid || devicesOf(addon).some(holdsLayers)) return;
  const rowLength = (headCountKv * embeddingLength) / Math.max(1, headCount);
  checkPlainCache({ contextSize, kvTypeK: k, kvTypeV: v, layerCount, rowLength }, availableMemory());
}

function freeByName(devices: readonly DeviceMemory[]): Map<string, number> {
  return new Map(devices.map(({ name, freeBytes }) => [name, Math.max(0, freeBytes - reservedBytes(name))]));
}

/**
 * Weights that stay in their files should have room in memory, for speed, but need not: where what is asked for does not
 * fit beside them, the system may take their pages back.
 */
function fitWithMapped(fit: (mappedBytes: number) => ContextFit, all: number, needed: number): ContextFit {
  if (all === needed) return fit(all);
  try {
    return fit(all);
  } catch (error) {
    if (!(error instanceof LlamaError) || error.code !== "INSUFFICIENT_MEMORY") throw error;
    return fit(needed);
  }
}

type ReadContextOptions = OptionsOf<typeof contextRules>;

/** Reads options, and checks what they say of each other. */
function readContextOptions(owner: string, options: unknown): ReadContextOptions {
  const read = readOptions(owner, contextRules, options);
  if (read.batchSize < read.sequences) {
    throw new InvalidOptionError("batchSize", `at least sequences (${read.sequences})`, read.batchSize);
  }
  if (read.microBatchSize !== undefined && read.microBatchSize > read.batchSize) {
    throw new InvalidOptionError("microBatchSize", `at most batchSize (${read.batchSize})`, read.microBatchSize);
  }
  const { kvType, flashAttention } = read;
  if (flashAttention === "off" && kvType !== "auto" && !kvType.v.endsWith("f16") && kvType.v !== "f32") {
    throw new InvalidOptionError("flashAttention", `"auto" or "on" with the kvType ${kvType.v}`, "off");
  }
  return read;
}

/** What a context without a size of its own is bounded by. */
function mostTokens(contextSize: number | "auto" | undefined, contextLength: number): number {
  const most = contextSize === "auto" ? contextLength : Math.min(defaultContextSize, contextLength);
  return most || defaultContextSize;
}

function wishOf(read: ReadContextOptions, contextLength: number): ContextWish {
  return {
    contextSize: typeof read.contextSize === "number" ? read.contextSize : "auto",
    most: mostTokens(read.contextSize, contextLength),
    kvType: read.kvType,
    sequences: read.sequences,
    batchSize: read.batchSize,
    microBatchSize: read.microBatchSize,
    flashAttention: read.flashAttention,
  };
}

/** A model that is not loaded yet. */
export interface PlannedModel {
  path: string;
  load: LoadModelOptions;
}

/**
 * Refuses models that are not loaded yet, or a context beside them, where they cannot fit, so that nobody waits for that in vain.
 *
 * @throws LlamaError `INSUFFICIENT_MEMORY`
 */
export async function checkContextFits(
  model: PlannedModel,
  options: unknown,
  owner: string,
  draft?: PlannedModel,
): Promise<void> {
  const read = readContextOptions(owner, options);
  const available = availableMemory();
  const found = devicesOf(loadAddon(model.load.gpu));
  const free = freeByName(layerDevices(found.filter(holdsLayers), available.bytes));
  const planned: (Drafter & { ramBytes: number; staysMapped: boolean })[] = [];
  for (const { path, load } of draft === undefined ? [model] : [model, draft]) {
    const loadOptions = readLoadOptions(load);
    const shape = await readModelShape(path, loadOptions).catch(() => undefined); // loading will say what is wrong
    if (shape === undefined) return;
    const division = divide(found, loadOptions, available.bytes);
    const devices = division.devices.map((device) => ({ ...device, freeBytes: free.get(device.name) ?? 0 }));
    const plan = usualContext(shape, loadOptions.plannedContext);
    const { placement } = placeLayers(shape, loadOptions.gpuLayers, { ...division, devices }, path, plan);
    // A model that has no room must not come up as a context that has none.
    checkModelFits(shape, { mapped: staysMapped(loadOptions), placement }, available, path);
    const weights = weightNeeds(shape, placement);
    planned.push({ shape, placement, ramBytes: weights.ram, staysMapped: staysMapped(loadOptions) });
    for (const [index, { name, freeBytes }] of devices.entries())
      free.set(name, freeBytes - (weights.devices[index] ?? 0));
  }
  const [target, drafter] = planned;
  if (target === undefined) return;
  const place = {
    placement: target.placement,
    offloadKv: read.offloadKv,
    deviceBytes: free,
    draft: drafter,
  };
  const overhead = planned.reduce((sum, { shape }) => sum + overheadBytes(shape), 0);
  const weightsOf = (models: typeof planned): number => models.reduce((sum, { ramBytes }) => sum + ramBytes, overhead);
  const fit = (bytes: number): ContextFit => {
    const budget = contextBudget(available, bytes) - read.ramCacheSize;
    return fitContext(target.shape, wishOf(read, target.shape.contextLength), budget, place);
  };
  fitWithMapped(fit, weightsOf(planned), weightsOf(planned.filter((one) => !one.staysMapped)));
}

/** What options ask of a context's memory, for a model of this context length. */
export function contextWish(options: unknown, contextLength: number, owner: string): ContextWish {
  return wishOf(readContextOptions(owner, options), contextLength);
}

export function requireWeights(model: Model, owner: string): void {
  if (model.info.vocabularyOnly) {
    throw new LlamaError("INVALID_OPTION", `${owner} needs the model's weights, but it was loaded with vocabularyOnly`);
  }
}

/** Such a model's context would answer with nothing at all. */
function requireGenerator({ info }: Model, owner: string): void {
  if (info.canGenerate) return;
  const what =
    info.hasEncoder && info.hasDecoder
      ? "has an encoder and a decoder, and such models are not supported"
      : "makes embeddings alone; use embed";
  const message = `${owner} needs a model that can generate, but this one (${info.architecture}) ${what}`;
  throw new LlamaError("INVALID_OPTION", message, { details: { architecture: info.architecture } });
}
