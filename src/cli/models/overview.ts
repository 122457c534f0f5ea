import type { Room } from "./memory-needs.js";
import type { Offer } from "../../hub/offers.js";
import type { GgufHeader } from "../../model/gguf-header.js";
import type { ModelShape } from "../../model/model-shape.js";
import type { AvailableMemory } from "../../model/machine-memory.js";
import { gpusAmong, layerDevices } from "../../model/placement.js";
import type { NativeDevice, NativeSystemInfo } from "../../native/contract.js";

/** Numbers of tokens for which memory is told, besides the model's full context. */
const contextSizes = [4096, 16_384];

export const kvTypes = ["f16", "q8_0", "q4_0", "f32", "bf16", "q5_1", "q5_0", "q4_1", "iq4_nl"] as const;

/**
 * Where a model fits: on the GPUs, in the memory that is free now, in both together, only when other programs leave, or not
 * at all.
 */
export type Fit = "gpu" | "yes" | "both" | "busy" | "no";

export interface MemoryNeed {
  contextSize: number;
  /** Null for models that have no KV cache: `contextSize` is then the length of a text that they make an embedding of. */
  kvType: (typeof kvTypes)[number] | null;
  bytes: number;
  fit: Fit;
}

export interface QuantizationOverview {
  /** What its first file is called. */
  fileName: string;
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
  const [{ listOffers }, { identifyModel }] = await Promise.all([
    import("../../hub/offers.js"),
    import("../../hub/index.js"),
  ]);
  const { known: listed, repository, offers, problem } = await listOffers(source, options);
  const { id, known = listed } = identifyModel(source);
  const { machine, room } = await examineMachine();
  const example = await readExample(offers);
  const shape = example?.shape;
  const header = example?.headers[0];
  return {
    name: id,
    origin: known?.origin ?? null,
    repository: repository ?? known?.repository ?? null,
    licence: known?.licence ?? text(header, "general.license"),
    parameterCount: shape?.parameterCount ?? known?.parameterCount ?? null,
    architecture: shape?.architecture ?? null,
    layerCount: shape?.layerCount ?? null,
    contextLength: contextLengthOf(shape) ?? known?.contextLength ?? null,
    promptFormat: known?.promptFormat ?? promptFormat(text(header, "tokenizer.chat_template")),
    strengths: known?.strengths ?? null,
    weaknesses: known?.weaknesses ?? null,
    quantizations: await Promise.all(
      offers.map(async (offer) => {
        const { fileName, quantization, sizeBytes, path } = offer;
        return {
          fileName,
          quantization,
          sizeBytes,
          path,
          memory: example ? await memoryOf(offer, example, room) : [],
        };
      }),
    ),
    isExact: shape?.isExact ?? false,
    machine,
    problem: problem ?? null,
  };
}

function contextLengthOf(shape: ModelShape | undefined): number | undefined {
  return shape === undefined || shape.contextLength === 0 ? undefined : shape.contextLength;
}

/** One quantization's headers have what all share; of files on this disk where there are some. */
interface Example {
  offer: Offer;
  /** Of all its files. */
  headers: readonly GgufHeader[];
  shape: ModelShape;
}

async function readExample(offers: readonly Offer[]): Promise<Example | undefined> {
  const { shapeOf } = await import("../../model/model-shape.js");
  const offer = offers.find(({ path }) => path !== null) ?? offers.find(({ remote }) => remote.length > 0);
  if (offer === undefined) return undefined;
  const headers = await readHeaders(offer);
  return { offer, headers, shape: shapeOf(headers) };
}

async function readHeaders({ path, remote }: Offer): Promise<GgufHeader[]> {
  const [{ readGgufFile, readGgufHeader }, { splitPaths }] = await Promise.all([
    import("../../model/gguf-header.js"),
    import("../../model/split-paths.js"),
  ]);
  return Promise.all(path === null ? remote.map(readGgufHeader) : splitPaths(path).map(readGgufFile));
}

async function memoryOf(offer: Offer, example: Example, room: Room): Promise<MemoryNeed[]> {
  const { needsOf } = await import("./memory-needs.js");
  return needsOf(offer === example.offer ? example.shape : await shapeLike(example, offer), room, contextSizes);
}

/** Weights are what files have behind their headers. */
async function shapeLike(example: Example, offer: Offer): Promise<ModelShape> {
  const { shape, headers } = example;
  const weightBytes = offer.sizeBytes - headers.reduce((sum, { headerBytes }) => sum + headerBytes, 0);
  const factor = weightBytes / Math.max(1, shape.weightBytes);
  return {
    ...shape,
    weightBytes,
    layerWeightBytes: shape.layerWeightBytes.map((bytes) => bytes * factor),
    largestWeightBytes: shape.largestWeightBytes.map((bytes) => bytes * factor),
    outputWeightBytes: shape.outputWeightBytes * factor,
    tiedCopyBytes: (await tiedCopyOf(offer, example)) ?? shape.tiedCopyBytes * factor,
  };
}

/** Embeddings that are the output too get a second copy or none, by their type in each file; undefined where that is not told. */
async function tiedCopyOf(offer: Offer, { shape, headers }: Example): Promise<number | undefined> {
  if (!shape.hasTiedOutput) return 0;
  const [{ findTensor }, { shapeOf }, { isRearranged }] = await Promise.all([
    import("../../model/gguf-header.js"),
    import("../../model/model-shape.js"),
    import("../../model/ggml-types.js"),
  ]);
  if (offer.path !== null) return shapeOf(await readHeaders(offer)).tiedCopyBytes;
  const embeddings = headers[0]?.tensors.find(({ name }) => name === "token_embd.weight");
  const [first] = offer.remote;
  const found = embeddings && first && (await findTensor(first, embeddings));
  return found && (isRearranged(found.type) ? found.sizeBytes : 0);
}

async function examineMachine(): Promise<{ machine: MachineOverview; room: Room }> {
  const [{ totalMemory }, { availableMemory }, { systemInfo }] = await Promise.all([
    import("../../model/machine-memory.js"),
    import("../../model/memory-ledger.js"),
    import("../../native/load-addon.js"),
  ]);
  return machineWith(gpusOf(systemInfo), availableMemory(), totalMemory());
}

/** What is told of a machine, and what a model finds there. */
export function machineWith(
  gpus: readonly NativeDevice[],
  available: AvailableMemory,
  totalBytes: number,
): { machine: MachineOverview; room: Room } {
  const { bytes, limit, addressBytes } = available;
  const free = gpus.map(({ freeBytes }) => freeBytes);
  const machine: MachineOverview = {
    totalBytes,
    availableBytes: Math.min(bytes, addressBytes),
    limit: addressBytes < bytes ? "process" : limit,
    gpuFreeBytes: free.reduce((sum, freeBytes) => sum + freeBytes, 0),
    gpus: gpus.map(({ description }) => description),
  };
  return { machine, room: { totalBytes, available, devices: layerDevices(gpus, bytes) } };
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
