import { resolve } from "node:path";

import { InvalidOptionError } from "../errors.js";
import type { GpuChoice } from "../native/backends.js";
import { gpuChoices } from "../native/backends.js";
import type { NativeDevicePlan, NativeLoadOptions, NativeMetadataOverride } from "../native/contract.js";
import type { DownloadProgress } from "../progress.js";
import { aContextSize, aKvType } from "./context-checks.js";
import type { SplitMode, TensorOverride } from "./devices.js";
import { splitModes } from "./devices.js";
import type { KvType } from "./ggml-types.js";
import type { Check, OptionsOf, RulesFor } from "../validate.js";
import {
  aBoolean,
  aFunction,
  anAbortSignal,
  aNonEmptyString,
  anArrayOf,
  anInteger,
  aNumber,
  asRecord,
  oneOf,
  optional,
  optionsObject,
  readOptions,
  withDefault,
} from "../validate.js";

/** A value of `metadataOverrides` whose type cannot be told from the value, e.g. the float 10000. */
export interface TypedMetadataValue {
  type: "int" | "float" | "bool" | "string";
  value: number | bigint | boolean | string;
}

/** `bigint` and integer numbers override integers, other numbers floats; see {@link TypedMetadataValue} for the rest. */
export type MetadataValue = number | bigint | boolean | string | TypedMetadataValue;

export interface LoadModelOptions {
  /** Called with the fraction done, from 0 to 1, never falling; 1 comes last. */
  onProgress?: ((fraction: number) => void) | undefined;
  /** Stops the load, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called several times a second while the model is downloaded from the hub or a URL, with bytes, rate and time left. */
  onDownload?: ((progress: DownloadProgress) => void) | undefined;
  /** Take only what is on this disk. Default: what `HF_HUB_OFFLINE` says. */
  offline?: boolean | undefined;
  /** Map the file into memory instead of reading it. Default true. */
  useMmap?: boolean | undefined;
  /** Lock the weights in memory, so that they are never swapped out. Default false. */
  useMlock?: boolean | undefined;
  /** Read past the system's page cache; excludes `useMmap` (which is then off) and `useMlock`. Default false. */
  directIo?: boolean | undefined;
  /**
   * The kind of GPU to use, "cpu" for none, or "auto" for the best that works here. `loadModel` rejects with
   * `BACKEND_UNAVAILABLE` where the one that is asked for cannot be used. Default: `LLAMA_NATIVE_GPU`, or "auto".
   */
  gpu?: GpuChoice | undefined;
  /** Layers to put on GPUs. Default "auto": as many as fit their free memory; without a GPU it means nothing. */
  gpuLayers?: number | "auto" | "all" | undefined;
  /**
   * Names of the GPUs to use, as `systemInfo().devices` has them, in the order in which they get layers. `[]` uses none, not
   * even for long prompts. Default: all, or where there is none the integrated ones.
   */
  devices?: readonly string[] | undefined;
  /**
   * How a model is divided among several devices: "layer" gives each some of the layers, "row" some rows of every matrix
   * (CUDA and HIP), "none" uses `mainGpu` alone. Default "layer".
   */
  splitMode?: SplitMode | undefined;
  /** The device that `splitMode: "none"` uses. Default: the first. */
  mainGpu?: string | undefined;
  /** What each device gets, in proportion, in the order of `devices`. Default: by their free memory. */
  tensorSplit?: readonly number[] | undefined;
  /**
   * Devices of single tensors, wherever their layer is: by regular expressions that are found in a tensor's name, of which the
   * first decides, the name of a device or "CPU" for RAM. `{ "ffn_.*_exps": "CPU" }` keeps a mixture's experts in RAM.
   */
  tensorOverrides?: Readonly<Record<string, string>> | undefined;
  /**
   * The context that will be made of the model: where `gpuLayers` is "auto", as many layers go to GPUs as leave room for it there.
   * Default: one of 4096 tokens.
   */
  plannedContext?: PlannedContextOptions | undefined;
  /** Load the vocabulary without the weights: enough for `tokenizer` and `chatTemplate`. Default false. */
  vocabularyOnly?: boolean | undefined;
  /** Metadata to use in place of the file's, by GGUF key; keys and texts have at most 127 bytes. */
  metadataOverrides?: Readonly<Record<string, MetadataValue>> | undefined;
  /** Check every tensor for impossible values; slower. Default false. */
  checkTensors?: boolean | undefined;
  /** Rearrange weights in memory for this CPU's kernels, which is faster. Default true. */
  repack?: boolean | undefined;
}

/** What decides a context's memory, as `createContext` takes it. What is "auto" there is planned for as the default. */
export interface PlannedContextOptions {
  contextSize?: number | "auto" | undefined;
  kvType?: KvType | { k: KvType; v: KvType } | "auto" | undefined;
  sequences?: number | undefined;
}

const plannedContextRules = {
  contextSize: optional(aContextSize),
  kvType: optional(aKvType),
  sequences: optional(anInteger(1, 255)),
} satisfies RulesFor<PlannedContextOptions>;

export type ReadPlannedContext = OptionsOf<typeof plannedContextRules>;

const longestOverrideBytes = 127;

const aLayerCount: Check<number | "auto" | "all"> = (value, name) => {
  if (value === "auto" || value === "all") return value;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 0x7fffffff) {
    throw new InvalidOptionError(name, 'a number of layers, "auto" or "all"', value);
  }
  return value;
};

const aTensorSplit: Check<number[]> = (value, name) => {
  const parts = anArrayOf(aNumber(0), "an array of numbers")(value, name);
  if (!parts.some((part) => part > 0)) throw new InvalidOptionError(name, "numbers with one above 0", value);
  return parts;
};

const tensorOverrides: Check<TensorOverride[]> = (value, name) =>
  Object.entries(asRecord(value, name)).map(([pattern, device]) => {
    if (!isExpression(pattern)) throw new InvalidOptionError(`a key of ${name}`, "a regular expression", pattern);
    return { pattern, device: aNonEmptyString(device, `${name}[${JSON.stringify(pattern)}]`) };
  });

function isExpression(pattern: string): boolean {
  try {
    return pattern !== "" && new RegExp(pattern) instanceof RegExp;
  } catch {
    return false;
  }
}

const metadataOverrides: Check<NativeMetadataOverride[]> = (value, name) =>
  Object.entries(asRecord(value, name)).map(([key, item]) => {
    const option = `${name}[${JSON.stringify(key)}]`;
    if (key === "" || key.includes("\0") || Buffer.byteLength(key) > longestOverrideBytes) {
      throw new InvalidOptionError(`a key of ${name}`, `1 to ${longestOverrideBytes} bytes of text`, key);
    }
    return { key, ...interpretOverride(item, option) };
  });

function interpretOverride(item: unknown, option: string): Omit<NativeMetadataOverride, "key"> {
  const typed = typeof item === "object" && item !== null ? (item as Partial<TypedMetadataValue>) : undefined;
  const value = typed === undefined ? item : typed.value;
  switch (typed === undefined ? typeOf(value) : typed.type) {
    case "int":
      if (typeof value === "bigint" || Number.isInteger(value))
        return { type: "int", value: toSafeInteger(value, option) };
      break;
    case "float":
      if (typeof value === "number" && Number.isFinite(value)) return { type: "float", value };
      break;
    case "bool":
      if (typeof value === "boolean") return { type: "bool", value };
      break;
    case "string":
      if (typeof value === "string" && !value.includes("\0") && Buffer.byteLength(value) <= longestOverrideBytes) {
        return { type: "string", value };
      }
      break;
    default:
  }
  const expected = `an integer, a finite number, a boolean, a text of at most ${longestOverrideBytes} bytes, or {type, value} of these`;
  throw new InvalidOptionError(option, expected, value);
}

function typeOf(value: unknown): TypedMetadataValue["type"] | undefined {
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  if (typeof value === "boolean") return "bool";
  return typeof value === "string" ? "string" : undefined;
}

/** The addon takes integers as numbers. */
function toSafeInteger(value: unknown, option: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new InvalidOptionError(option, "an integer within ±(2^53 - 1)", value);
  return number;
}

const rules = {
  onProgress: optional(aFunction<(fraction: number) => void>()),
  signal: optional(anAbortSignal),
  onDownload: optional(aFunction<(progress: DownloadProgress) => void>()),
  offline: optional(aBoolean),
  useMmap: optional(aBoolean),
  useMlock: withDefault(aBoolean, false),
  directIo: withDefault(aBoolean, false),
  gpu: optional(oneOf(...gpuChoices)),
  gpuLayers: withDefault(aLayerCount, "auto"),
  devices: optional(anArrayOf(aNonEmptyString, "an array of devices' names")),
  splitMode: withDefault(oneOf(...splitModes), "layer"),
  mainGpu: optional(aNonEmptyString),
  tensorSplit: optional(aTensorSplit),
  tensorOverrides: withDefault(tensorOverrides, []),
  plannedContext: optional(optionsObject(plannedContextRules)),
  vocabularyOnly: withDefault(aBoolean, false),
  metadataOverrides: withDefault(metadataOverrides, []),
  checkTensors: withDefault(aBoolean, false),
  repack: withDefault(aBoolean, true),
} satisfies RulesFor<LoadModelOptions>;

export type ReadLoadOptions = OptionsOf<typeof rules>;

export function readLoadOptions(options: unknown): ReadLoadOptions {
  const read = readOptions("loadModel", rules, options);
  if (read.directIo && read.useMmap === true)
    throw new InvalidOptionError("useMmap", "false together with directIo", true);
  if (read.directIo && read.useMlock) throw new InvalidOptionError("useMlock", "false together with directIo", true);
  checkSplit(read);
  return read;
}

function checkSplit({ splitMode, mainGpu, tensorSplit }: ReadLoadOptions): void {
  if (splitMode !== "none" && mainGpu !== undefined) {
    throw new InvalidOptionError("mainGpu", 'nothing without the splitMode "none"', mainGpu);
  }
  if (splitMode === "none" && tensorSplit !== undefined) {
    throw new InvalidOptionError("tensorSplit", 'nothing together with the splitMode "none"', tensorSplit);
  }
}

/** `automaticLayers` is what "auto" means for GPUs; undefined where there is none. */
export function toNativeLoadOptions(
  path: string,
  options: ReadLoadOptions,
  devices: NativeDevicePlan,
  automaticLayers?: number,
): Omit<NativeLoadOptions, "onProgress"> {
  const { gpuLayers } = options;
  return {
    path: resolve(path),
    loadMode: loadMode(options),
    vocabularyOnly: options.vocabularyOnly,
    checkTensors: options.checkTensors,
    gpuLayers: typeof gpuLayers === "number" ? gpuLayers : gpuLayers === "auto" ? (automaticLayers ?? -1) : -1,
    ...devices,
    repack: options.repack,
    metadataOverrides: options.metadataOverrides,
  };
}

function loadMode({ directIo, useMmap = true, useMlock }: ReadLoadOptions): NativeLoadOptions["loadMode"] {
  if (directIo) return "direct-io";
  if (useMmap) return useMlock ? "mmap+mlock" : "mmap";
  return useMlock ? "mlock" : "read";
}
