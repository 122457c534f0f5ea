import { InvalidOptionError, LlamaError } from "../errors.js";
import { gigabytes } from "./gigabytes.js";
import type { KvType } from "./ggml-types.js";
import { blockLength, rowBytes } from "./ggml-types.js";
import type { AvailableMemory } from "./machine-memory.js";
import type { ContextPlan } from "./memory-estimate.js";
import { microBatchSizeOf, overheadBytes, roundUpCells, smallContext } from "./memory-estimate.js";
import type { ModelShape } from "./model-shape.js";
import type { Needs, Placement } from "./placement.js";
import { contextNeeds, inRam, weightNeeds } from "./placement.js";

/** The smallest context that is worth making. */
export const smallestContext = 256;
/** A context that is made smaller than this where a coarser cache would make it larger is of little use. */
const usefulContext = 2048;

/** KV cache types by precision, which "auto" tries in this order. */
const automaticTypes = ["f16", "q8_0", "q4_0"] as const;

export type AutomaticKvType = (typeof automaticTypes)[number];

/** What is asked of a context; `most` bounds an automatic size. */
export interface ContextWish extends Omit<
  ContextPlan,
  "contextSize" | "kvTypeK" | "kvTypeV" | "slots" | "microBatchSize"
> {
  contextSize: number | "auto";
  batchSize: number;
  /** Undefined is what suits the place of the layers. */
  microBatchSize: number | undefined;
  most: number;
  kvType: { k: KvType; v: KvType } | "auto";
}

/** Where a context's parts go, and what devices have for them. */
export interface ContextPlace {
  placement: Placement;
  /** Whether layers on a device keep their cache there. */
  offloadKv: boolean;
  /** Bytes that devices have for the context, by their names. */
  deviceBytes: ReadonlyMap<string, number>;
  /** A model that drafts, which gets a context of its own on the same devices. */
  draft?: Drafter | undefined;
}

/** What is known of a model's cache without its header. */
export interface PlainCache {
  contextSize: number;
  kvTypeK: KvType;
  kvTypeV: KvType;
  layerCount: number;
  /** Numbers of a position's keys, and of its values, in each layer. */
  rowLength: number;
}

export interface Drafter {
  shape: ModelShape;
  placement: Placement;
}

/** A memory that a context takes something of. */
export interface MemoryShare {
  /** `RAM`, or the device's name. */
  where: string;
  neededBytes: number;
  availableBytes: number;
}

export interface ContextFit {
  contextSize: number;
  kvType: { k: KvType; v: KvType };
  /** Of the context: its KV cache and compute buffers, and those of a draft model's context. */
  neededBytes: number;
  /** What there was for it, a margin left aside. */
  availableBytes: number;
  /** The same for RAM, and for each GPU that the model is on. */
  shares: readonly MemoryShare[];
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

/** The same for a model that is still to be loaded, and will take `modelBytes` of RAM. */
export function budgetBesides(shape: ModelShape, modelBytes: number, available: AvailableMemory): number {
  // The files of weights stay mapped beside what is made of them.
  const addressBytes = available.addressBytes - shape.weightBytes - modelBytes;
  return contextBudget({ ...available, addressBytes }, modelBytes);
}

/**
 * Chooses size and type of a context's KV cache where they are "auto": the most tokens that fit, in the finest type in
 * which all that are wanted do. `ramBytes` is what RAM has for it.
 *
 * @throws LlamaError `INSUFFICIENT_MEMORY` where what is asked for does not fit, with what would; `INVALID_OPTION` for a
 * type of which the model's heads are no multiple
 */
export function fitContext(
  shape: ModelShape,
  wish: ContextWish,
  ramBytes: number,
  place: ContextPlace = ramAlone,
): ContextFit {
  return new ContextSearch(shape, wish, ramBytes, place).run();
}

const ramAlone: ContextPlace = { placement: inRam, offloadKv: true, deviceBytes: new Map() };

type KvTypes = ContextFit["kvType"];

class ContextSearch {
  readonly #shape: ModelShape;
  readonly #wish: ContextWish;
  readonly #place: ContextPlace;
  readonly #ramBytes: number;

  constructor(shape: ModelShape, wish: ContextWish, ramBytes: number, place: ContextPlace) {
    this.#shape = shape;
    this.#wish = wish;
    this.#place = place;
    this.#ramBytes = ramBytes;
  }

  run(): ContextFit {
    const { contextSize, most } = this.#wish;
    const types = this.#types();
    const wanted = contextSize === "auto" ? most : contextSize;
    for (const type of types) if (this.#fits(wanted, type)) return this.#describe(wanted, type);
    if (contextSize === "auto") {
      for (const [index, type] of types.entries()) {
        const size = this.#largest(type, most);
        // Coarser types are for what finer ones cannot hold.
        const isLast = index === types.length - 1;
        if (size < smallestContext || (!isLast && (type.k === "f16" || size < Math.min(usefulContext, wanted))))
          continue;
        return this.#describe(size, type);
      }
    }
    throw this.#tooLarge(contextSize === "auto" ? smallestContext : wanted, types.at(-1) ?? plainType);
  }

  #types(): readonly KvTypes[] {
    const { kvType } = this.#wish;
    if (kvType === "auto") return this.#automaticTypes();
    for (const model of this.#models()) checkKvType(model, kvType);
    return [kvType];
  }

  #automaticTypes(): KvTypes[] {
    // Quantized values need flash attention.
    const names = this.#wish.flashAttention === "off" ? automaticTypes.slice(0, 1) : automaticTypes;
    const fitting = names.filter((name) =>
      this.#models().every((model) => unfitHead(model, { k: name, v: name }) === undefined),
    );
    return fitting.map((name) => ({ k: name, v: name }));
  }

  #models(): ModelShape[] {
    const { draft } = this.#place;
    return draft === undefined ? [this.#shape] : [this.#shape, draft.shape];
  }

  #fits(contextSize: number, type: KvTypes): boolean {
    return this.#shares(contextSize, type).every(({ neededBytes, availableBytes }) => neededBytes <= availableBytes);
  }

  /** What it takes of RAM, and of the devices that it takes anything of. */
  #shares(contextSize: number, type: KvTypes): MemoryShare[] {
    const { ram, devices } = this.#needs(contextSize, type);
    const onDevices = [...devices].map(([where, neededBytes]) => {
      return { where, neededBytes, availableBytes: this.#place.deviceBytes.get(where) ?? 0 };
    });
    return [
      { where: "RAM", neededBytes: ram, availableBytes: this.#ramBytes },
      ...onDevices.filter(({ neededBytes }) => neededBytes > 0),
    ];
  }

  /** Of RAM and by devices' names; a draft model may be on others than its model. */
  #needs(contextSize: number, type: KvTypes): { ram: number; devices: Map<string, number> } {
    const { placement, offloadKv, draft } = this.#place;
    const { sequences, flashAttention } = this.#wish;
    const microBatchSize = microBatchSizeOf(this.#wish, placement.gpuLayers);
    const plan = { contextSize, kvTypeK: type.k, kvTypeV: type.v, sequences, microBatchSize, flashAttention };
    const sum = { ram: 0, devices: new Map<string, number>() };
    const add = ({ ram, devices }: Needs, on: Placement): void => {
      sum.ram += ram;
      for (const [index, { name }] of on.devices.entries()) {
        sum.devices.set(name, (sum.devices.get(name) ?? 0) + (devices[index] ?? 0));
      }
    };
    add(contextNeeds(this.#shape, plan, placement, offloadKv), placement);
    if (draft) add(contextNeeds(draft.shape, draftPlan(plan), draft.placement, offloadKv), draft.placement);
    return sum;
  }

  /** The most tokens, in steps in which caches grow, that fit; 0 where none do. */
  #largest(type: KvTypes, most: number): number {
    let fits = 0;
    let fails = Math.floor(most / smallestContext) + 1;
    while (fails - fits > 1) {
      const middle = (fits + fails) >> 1;
      if (this.#fits(middle * smallestContext, type)) fits = middle;
      else fails = middle;
    }
    return fits * smallestContext;
  }

  #describe(contextSize: number, kvType: KvTypes): ContextFit {
    const shares = this.#shares(contextSize, kvType);
    const wish = this.#wish;
    const why =
      wish.contextSize !== "auto"
        ? "as asked for"
        : contextSize === wish.most
          ? "as large as it may be"
          : "the most that fit";
    const drafting = this.#place.draft === undefined ? "" : " and one for the draft model";
    const [ram, ...onDevices] = shares.map(({ where, neededBytes, availableBytes }, index) => {
      const text = `${gigabytes(neededBytes)} of ${gigabytes(availableBytes)}`;
      return index === 0 ? text : `${text} on ${where}`;
    });
    const reason =
      `A context of ${contextSize} tokens, ${why}, with a KV cache in ${typeName(kvType)}${drafting}: ` +
      `it takes ${[ram, ...onDevices].join(" and ")} that are available beside the model`;
    return { contextSize, kvType, ...this.#sums(shares), shares, reason };
  }

  /** Over all memories, of which devices that share RAM are none of their own. */
  #sums(shares: readonly MemoryShare[]): { neededBytes: number; availableBytes: number } {
    const { placement, draft } = this.#place;
    const devices = [...placement.devices, ...(draft?.placement.devices ?? [])];
    const sharing = new Set(devices.filter(({ sharesRam }) => sharesRam).map(({ name }) => name));
    const own = shares.filter(({ where }) => !sharing.has(where));
    const sum = (field: "neededBytes" | "availableBytes"): number => own.reduce((all, share) => all + share[field], 0);
    return { neededBytes: sum("neededBytes"), availableBytes: sum("availableBytes") };
  }

  #tooLarge(contextSize: number, type: KvTypes): LlamaError {
    const shares = this.#shares(contextSize, type);
    const tight = shares.find(({ neededBytes, availableBytes }) => neededBytes > availableBytes);
    const { where = "RAM", neededBytes = 0, availableBytes = 0 } = tight ?? {};
    const fittingContextSize = this.#largest(type, Math.max(contextSize, smallestContext));
    const advice = [
      ...(fittingContextSize >= smallestContext ? [`a contextSize of ${fittingContextSize}`] : []),
      ...this.#coarserType(contextSize, type),
      ...this.#cacheInRam(contextSize, type),
    ];
    const drafting = this.#place.draft === undefined ? "" : " and one for the draft model";
    const what = `A context of ${contextSize} tokens with a KV cache in ${typeName(type)}${drafting}`;
    const onDevice = where === "RAM" ? "" : ` on ${where}`;
    const otherwise = onDevice === "" ? "free memory, or take a smaller model or quantization" : "take fewer gpuLayers";
    const wayOut = advice.length > 0 ? `${advice.join(", or ")} would fit` : otherwise;
    return new LlamaError(
      "INSUFFICIENT_MEMORY",
      `${what} takes ${gigabytes(neededBytes)}${onDevice}, but ${gigabytes(availableBytes)} are available for it${onDevice === "" ? "" : " there"}; ${wayOut}`,
      { details: { contextSize, neededBytes, availableBytes, fittingContextSize, where } },
    );
  }

  /** The finest type in which the whole context would fit, where that was not asked for. */
  #coarserType(contextSize: number, type: KvTypes): string[] {
    const found = this.#automaticTypes().find((other) => other.k !== type.k && this.#fits(contextSize, other));
    return found === undefined ? [] : [`the kvType ${JSON.stringify(found.k)}`];
  }

  #cacheInRam(contextSize: number, type: KvTypes): string[] {
    if (!this.#place.offloadKv || this.#place.placement.gpuLayers === 0) return [];
    const inRamAlone = new ContextSearch(this.#shape, this.#wish, this.#ramBytes, { ...this.#place, offloadKv: false });
    return inRamAlone.#fits(contextSize, type) ? ["offloadKv: false"] : [];
  }
}

const plainType: KvTypes = { k: "f16", v: "f16" };

/** What the engine makes for a draft model beside a context; see native/core/draft_model.cpp. */
function draftPlan(plan: ContextPlan): ContextPlan {
  const microBatchSize = Math.min(plan.microBatchSize, 512);
  return { ...plan, contextSize: plan.contextSize + 4 * 64, sequences: 4, slots: 4, microBatchSize };
}

/** @throws LlamaError `INVALID_OPTION` where rows of the model's heads cannot be packed in the type's blocks */
function checkKvType(shape: ModelShape, type: KvTypes): void {
  const unfit = unfitHead(shape, type);
  if (unfit === undefined) return;
  const { key, length } = unfit;
  const expected =
    `a type without blocks ("f16", "bf16", "f32"), as the model's heads have ${length} ${key === "k" ? "keys" : "values"}, ` +
    `which is no multiple of the ${blockLength(type[key])} that ${type[key]} packs together,`;
  throw new InvalidOptionError(`kvType.${key}`, expected, type[key]);
}

function unfitHead({ headLengths }: ModelShape, type: KvTypes): { key: "k" | "v"; length: number } | undefined {
  for (const key of ["k", "v"] as const) {
    const length = headLengths[key].find((numbers) => numbers % blockLength(type[key]) !== 0);
    if (length !== undefined) return { key, length };
  }
  return undefined;
}

/**
 * Refuses a cache of a model whose header decides nothing, by the least that it takes where all layers keep every position.
 *
 * @throws LlamaError `INSUFFICIENT_MEMORY`
 */
export function checkPlainCache(cache: PlainCache, available: AvailableMemory): void {
  const { contextSize, kvTypeK, kvTypeV, layerCount, rowLength } = cache;
  const cell = layerCount * (rowBytes(kvTypeK, rowLength) + rowBytes(kvTypeV, rowLength));
  const neededBytes = roundUpCells(contextSize) * cell;
  const availableBytes = contextBudget(available, 0);
  if (neededBytes <= availableBytes) return;
  throw new LlamaError(
    "INSUFFICIENT_MEMORY",
    `A KV cache of ${contextSize} tokens takes ${gigabytes(neededBytes)}, but ${gigabytes(availableBytes)} are available ` +
      `for it; choose a smaller contextSize, or a kvType of fewer bits`,
    { details: { contextSize, neededBytes, availableBytes } },
  );
}

function typeName({ k, v }: KvTypes): string {
  return k === v ? k : `${k} and ${v}`;
}

/** How a model is to be loaded, as far as it decides the memory. */
export interface LoadPlan {
  /** Weights stay in the mapped file, from which the system can read them again. */
  mapped: boolean;
  placement: Placement;
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

/** What a load takes with a small context, and what there is for it. */
interface LoadNeeds {
  neededBytes: number;
  availableBytes: number;
  /** Of what is needed, what is not weights. */
  besides: number;
  /** Whether there are too few addresses for it, whatever memory there is. */
  isTight: boolean;
}

function loadNeeds(shape: ModelShape, plan: LoadPlan, available: AvailableMemory): LoadNeeds {
  const besides = overheadBytes(shape) + contextNeeds(shape, smallContext(shape), plan.placement).ram;
  const weights = weightNeeds(shape, plan.placement).ram;
  const neededBytes = (plan.mapped ? 0 : weights) + besides;
  // Weights are mapped from the file first, and rearranged beside that.
  const addresses = available.addressBytes - shape.weightBytes - threadAddressBytes;
  const isTight = neededBytes > addresses;
  const room = available.bytes - marginOf(available.bytes);
  return { neededBytes, availableBytes: Math.max(0, isTight ? Math.min(room, addresses) : room), besides, isTight };
}

/** Whether a model fits together with a small context. */
export function modelFits(shape: ModelShape, plan: LoadPlan, available: AvailableMemory): boolean {
  const { neededBytes, availableBytes } = loadNeeds(shape, plan, available);
  return neededBytes <= availableBytes;
}

/**
 * Refuses a model that does not fit together with a small context, before anything is allocated.
 *
 * @throws LlamaError `INSUFFICIENT_MEMORY`, with the quantization that would fit
 */
export function checkModelFits(shape: ModelShape, plan: LoadPlan, available: AvailableMemory, path: string): void {
  const { neededBytes, availableBytes, besides, isTight } = loadNeeds(shape, plan, available);
  if (neededBytes <= availableBytes) return;
  const label = quantizationThatFits(shape, availableBytes - besides);
  const advice = label === undefined ? "A smaller model is needed" : `A quantization of ${label} or less would fit`;
  throw new LlamaError(
    "INSUFFICIENT_MEMORY",
    `${path} takes ${gigabytes(neededBytes)} with a small context, but ${limitText(available, isTight)} ` +
      `leaves ${gigabytes(availableBytes)}. ${advice}.`,
    { details: { path, neededBytes, availableBytes, limit: isTight ? "process" : available.limit } },
  );
}

function limitText({ limit }: AvailableMemory, tight: boolean): string {
  if (tight || limit === "process") return "the limit of this process";
  return limit === "container" ? "the limit of this container or service" : "this machine";
}

/** A coarser one than the file's own. */
function quantizationThatFits({ parameterCount, weightBytes }: ModelShape, bytes: number): string | undefined {
  const [bits, own] = [bytes, weightBytes].map((all) => (all * 8) / parameterCount);
  return usualBits.find(([, needed]) => needed <= (bits ?? 0) && needed < 0.95 * (own ?? 0))?.[0];
}
