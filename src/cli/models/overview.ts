import type { Offer } from "../../hub/offers.js";
import type { GgufHeader } from "../../model/gguf-header.js";
import type { ModelShape } from "../../model/model-shape.js";
import { gpusAmong } from "../../model/placement.js";
import type { NativeDevice, NativeSystemInfo } from "../../native/contract.js";

/** Numbers of tokens for which memory is told, besides the model's full context. */
const contextSizes = [4096, 16_384];

export const kvTypes = ["f16", "q8_0", "q4_0", "f32", "bf16", "q5_1", "q5_0", "q4_1", "iq4_nl"] as const;

/** Where a model fits: on the GPU, in the memory that is free now, only when other programs leave, or not at all. */
export type Fit = "gpu" | "yes" | "busy" | "no";

export interface MemoryNeed {
  contextSize: number;
  kvType: (typeof kvTypes)[number];
  bytes: number;
  fit: Fit;
}

export interface QuantizationOverview {
  quantization: string | null;
  sizeBytes: number;
  path: string | null;
  memory: MemoryNeed[];
}

export interface MachineOverview {
  totalBytes: number;
  availableBytes: number;
  limit: "memory" | "container" | "process";
  gpuFreeBytes: number;
  gpus: string[];
}

/** A model at a glance. What nobody tells is null. */
export interface ModelOverview {
  name: string;
  origin: string | null;
  repository: string | null;
  licence: string | null;
  parameterCount: number | null;
  architecture: string | null;
  layerCount: number | null;
  contextLength: number | null;
  promptFormat: string | null;
  strengths: string | null;
  weaknesses: string | null;
  quantizations: QuantizationOverview[];
  /** Whether the memory is computed by rules that hold for this architecture, and not roughly. */
  isExact: boolean;
  machine: MachineOverview;
  problem: string | null;
}

export async function overviewOf(
  source: string,
  options: { offline?: boolean | undefined; signal: AbortSignal },
): Promise<ModelOverview> {
  const [{ listOffers }, { identifyModel }, { shapeOf }] = await Promise.all([
    import("../../hub/offers.js"),
    import("../../hub/index.js"),
    import("../../model/model-shape.js"),
  ]);
  const { known: listed, repository, offers, problem } = await listOffers(source, options);
  const { id, known = listed } = identifyModel(source);
  const machine = await examineMachine();
  const header = await readHeader(offers);
  const shape = header && shapeOf([header.header]);
  const { needsOf } = await import("./memory-needs.js");
  const parameterCount = shape && header.isWhole ? shape.parameterCount : null;
  return {
    name: id,
    origin: known?.origin ?? null,
    repository: repository ?? known?.repository ?? null,
    licence: known?.licence ?? text(header?.header, "general.license"),
    parameterCount: parameterCount ?? known?.parameterCount ?? null,
    architecture: shape?.architecture ?? null,
    layerCount: shape?.layerCount ?? null,
    contextLength: contextLengthOf(shape) ?? known?.contextLength ?? null,
    promptFormat: known?.promptFormat ?? promptFormat(text(header?.header, "tokenizer.chat_template")),
    strengths: known?.strengths ?? null,
    weaknesses: known?.weaknesses ?? null,
    quantizations: offers.map(({ quantization, sizeBytes, path }) => ({
      quantization,
      sizeBytes,
      path,
      memory: shape ? needsOf({ ...shape, ...weights(shape, header, sizeBytes) }, machine, contextSizes) : [],
    })),
    isExact: shape?.isExact ?? false,
    machine,
    problem: problem ?? null,
  };
}

function contextLengthOf(shape: ModelShape | undefined): number | undefined {
  return shape === undefined || shape.contextLength === 0 ? undefined : shape.contextLength;
}

interface ReadHeader {
  header: GgufHeader;
  /** Of the offer whose header it is, which is all of its model. */
  isWhole: boolean;
}

/** One header has what all quantizations share; of a file on this disk where there is one. */
async function readHeader(offers: readonly Offer[]): Promise<ReadHeader | undefined> {
  const { readGgufFile, readGgufHeader } = await import("../../model/gguf-header.js");
  const offer = offers.find(({ path }) => path !== null) ?? offers[0];
  if (offer === undefined) return undefined;
  const header =
    offer.path !== null ? await readGgufFile(offer.path) : offer.remote && (await readGgufHeader(offer.remote));
  return header ? { header, isWhole: header.metadata.get("split.count") === undefined } : undefined;
}

/** Weights are what a file has behind its header. */
function weights(shape: ModelShape, { header }: ReadHeader, sizeBytes: number): Partial<ModelShape> {
  const weightBytes = sizeBytes - header.headerBytes;
  const factor = weightBytes / Math.max(1, shape.weightBytes);
  return {
    weightBytes,
    layerWeightBytes: shape.layerWeightBytes.map((bytes) => bytes * factor),
    outputWeightBytes: shape.outputWeightBytes * factor,
    tiedCopyBytes: shape.tiedCopyBytes * factor,
  };
}

async function examineMachine(): Promise<MachineOverview> {
  const [{ availableMemory, totalMemory }, { systemInfo }] = await Promise.all([
    import("../../model/machine-memory.js"),
    import("../../native/load-addon.js"),
  ]);
  const { bytes, limit } = availableMemory();
  const gpus = gpusOf(systemInfo);
  return {
    totalBytes: totalMemory(),
    availableBytes: bytes,
    limit,
    gpuFreeBytes: gpus.reduce((sum, { freeBytes }) => sum + freeBytes, 0),
    gpus: gpus.map(({ description }) => description),
  };
}

/** None where the addon is not built: what a model needs can be told all the same. */
function gpusOf(systemInfo: () => NativeSystemInfo): NativeDevice[] {
  try {
    return gpusAmong(systemInfo().devices);
  } catch {
    return [];
  }
}

function text(header: GgufHeader | undefined, key: string): string | null {
  const value = header?.metadata.get(key);
  return typeof value === "string" ? value : null;
}

/** Marks of well-known prompt formats in chat templates. */
const formats: readonly (readonly [mark: string, name: string])[] = [
  ["<|im_start|>", "<|im_start|>user … <|im_end|> (ChatML)"],
  ["<|start_header_id|>", "<|start_header_id|>user<|end_header_id|> … <|eot_id|>"],
  ["[INST]", "[INST] message [/INST] answer</s>"],
  ["<start_of_turn>", "<start_of_turn>user … <end_of_turn>"],
  ["<|user|>", "<|user|> … <|end|>"],
];

function promptFormat(template: string | null): string | null {
  if (template === null) return null;
  return formats.find(([mark]) => template.includes(mark))?.[1] ?? "a template of its own";
}
