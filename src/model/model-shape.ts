import { LlamaError } from "../errors.js";
import { isRearranged } from "./ggml-types.js";
import type { GgufHeader, GgufTensor } from "./gguf-header.js";

/** What of a model decides how much memory it takes, by its header. */
export interface ModelShape {
  architecture: string;
  parameterCount: number;
  /** Of all tensors. */
  weightBytes: number;
  /** Tensors that are kept on a device of their own, wherever their layer is. */
  overridden?: readonly OverriddenWeights[] | undefined;
  /** Of each layer's tensors. */
  layerWeightBytes: readonly number[];
  /** Of each layer's largest tensor. */
  largestWeightBytes: readonly number[];
  /** Of what makes logits: the output, or the embeddings in its place. */
  outputWeightBytes: number;
  /** Whether the embeddings are the output too. */
  hasTiedOutput: boolean;
  /** Of the second copy that embeddings get which are the output too, where products want their type rearranged. */
  tiedCopyBytes: number;
  layerCount: number;
  /** 0 where the file does not tell. */
  contextLength: number;
  embeddingLength: number;
  feedForwardLength: number;
  headCount: number;
  vocabularySize: number;
  /** Pairs of tokens that the tokenizer joins. */
  mergeCount: number;
  /** Numbers of a cached position by layer; 0 for layers that keep none. */
  keyLengths: readonly number[];
  valueLengths: readonly number[];
  /** Numbers of a single head, of each kind of layer. */
  headLengths: { k: readonly number[]; v: readonly number[] };
  /** Bytes of state that each sequence has by layer; 0 for layers that keep none. */
  stateBytes: readonly number[];
  /** Numbers of a token between the projections of a layer with a state space. */
  stateWidth: number;
  /** Whether some or all of the layers with keys look back over a window only, for which llama.cpp keeps a cache of its own. */
  windows: "none" | "some" | "all";
  /** Whether contexts keep anything of a text. Models that look at it in both directions compute it as a whole. */
  hasCache: boolean;
  /** Whether the rules below are known to hold: of an encoder, or an architecture with states, they are an approximation. */
  isExact: boolean;
}

/** What RAM is called among devices' names. */
export const ramName = "CPU";

/** A tensor on a device of its own. */
export interface OverriddenWeights {
  /** The layer that it belongs to, one more than the last for the output; undefined for the rest, which is in RAM. */
  layer: number | undefined;
  bytes: number;
  /** A device's name, or {@link ramName}. */
  device: string;
}

/** More than any model has, of layers, and of numbers, heads or tokens in a row. */
const mostLayers = 4096;
const mostNumbers = 1 << 24;

/** Architectures with a window that their files need not name. */
const unnamedWindows = new Set(["gemma2", "llama4"]);
/** Architectures whose files name a window that llama.cpp does not keep. */
const ignoredWindows = new Set(["phi3", "phimoe"]);

/** Architectures that make embeddings alone: they have no output, for which others without one take the embeddings. */
const encoders = new Set(
  "bert jina-bert-v2 jina-bert-v3 nomic-bert nomic-bert-moe neo-bert eurobert modern-bert".split(" "),
);
/** All that llama.cpp makes no cache for; see its llama_model::create_memory. */
const withoutCache = new Set([
  ...encoders,
  ..."gemma-embedding wavtokenizer-dec dream llada llada-moe rnd1".split(" "),
]);

/** Whether models of an architecture keep nothing of what they have read, and so can embed at most, not generate. */
export function keepsNothing(architecture: string): boolean {
  return withoutCache.has(architecture);
}

/** The facts of a whole model; of a split one the first header has the metadata and every one has tensors. */
export function shapeOf(headers: readonly GgufHeader[]): ModelShape {
  const [first] = headers;
  const metadata = first?.metadata ?? new Map<string, never>();
  const architecture = String(metadata.get("general.architecture") ?? "");
  const part = Number(metadata.get("split.no") ?? 0);
  if (part > 0) {
    const count = Number(metadata.get("split.count") ?? 0);
    throw new LlamaError(
      "MODEL_FORMAT",
      `The file is part ${part + 1} of ${count} of a model; its first one is the model's name`,
    );
  }
  const value = (name: string): unknown => metadata.get(`${architecture}.${name}`);
  const number = (name: string, otherwise = 0): number => {
    const most = name === "block_count" ? mostLayers : name === "context_length" ? Infinity : mostNumbers;
    const found = largest(value(name)) ?? otherwise;
    if (found >= 0 && found <= most) return found;
    throw new LlamaError("MODEL_FORMAT", `The file's ${architecture}.${name} is ${found}, which no model has`);
  };
  const tensors = headers.flatMap((header) => header.tensors);
  const layerCount = number("block_count");
  const headCount = Math.max(1, number("attention.head_count", 1));
  const embeddingLength = number("embedding_length");
  const vocabularySize = first?.arrayLengths.get("tokenizer.ggml.tokens") ?? number("vocab_size");
  const stateful = layersWith(tensors, /^blk\.(\d+)\.(?:ssm_|shortconv|time_mix)/);
  const isRecurrent = stateful.size > 0;
  const output = tensors.filter(({ name }) => name.startsWith("output"));
  const hasTiedOutput = !encoders.has(architecture) && !output.some(({ name }) => name === "output.weight");
  const embeddings = tensors.filter(({ name }) => name === "token_embd.weight");
  const hasCache = !withoutCache.has(architecture);
  // Layers of recurrent models have states instead of keys, whatever the header says of heads.
  const attends = isRecurrent ? layersWith(tensors, /^blk\.(\d+)\.attn_(?:k|qkv|kv)/) : undefined;
  const stateBytes = isRecurrent ? recurrentStateBytes(number, embeddingLength, headCount) : 0;
  const caches = cacheLengths({ value, number, layerCount, headCount, embeddingLength, attends, hasCache });
  return {
    architecture,
    parameterCount: tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0),
    weightBytes: sumBytes(tensors),
    layerWeightBytes: layerWeights(tensors, layerCount, (sum, bytes) => sum + bytes),
    largestWeightBytes: layerWeights(tensors, layerCount, Math.max),
    outputWeightBytes: sumBytes(output) + (hasTiedOutput ? sumBytes(embeddings) : 0),
    hasTiedOutput,
    tiedCopyBytes: hasTiedOutput ? sumBytes(embeddings.filter(({ type }) => isRearranged(type))) : 0,
    layerCount,
    contextLength: number("context_length"),
    embeddingLength,
    // A token goes through some of a mixture's experts, and through shared ones.
    feedForwardLength: Math.max(
      number("feed_forward_length"),
      number("expert_used_count") * number("expert_feed_forward_length", number("feed_forward_length")),
    ),
    headCount,
    vocabularySize,
    mergeCount: first?.arrayLengths.get("tokenizer.ggml.merges") ?? 0,
    ...caches,
    stateBytes: Array.from({ length: layerCount }, (_, layer) => (stateful.has(layer) ? stateBytes : 0)),
    stateWidth: number("ssm.inner_size"),
    windows: hasWindows(architecture, value("attention.sliding_window")) ? (isRecurrent ? "all" : "some") : "none",
    hasCache,
    isExact: !isRecurrent && hasCache && layerCount > 0 && embeddingLength > 0,
  };
}

/** Refuses sizes that the tensors of all files of a model do not have; their rows and columns are what sizes are of. */
export function checkAgainstTensors(shape: ModelShape, tensors: readonly GgufTensor[]): void {
  const widest = tensors.reduce((most, { shape: sizes }) => Math.max(most, ...sizes), 0);
  const sizes = [shape.embeddingLength, shape.feedForwardLength, ...shape.keyLengths, ...shape.valueLengths];
  if (shape.layerCount <= tensors.length && sizes.every((size) => size <= widest)) return;
  throw new LlamaError("MODEL_FORMAT", "The file's metadata tell of sizes that its tensors do not have");
}

/** What options keep on devices of their own; the first pattern that is found in a name decides. */
export function overriddenWeights(
  tensors: readonly GgufTensor[],
  layerCount: number,
  overrides: readonly { pattern: string; device: string }[],
): OverriddenWeights[] {
  const patterns = overrides.map(({ pattern, device }) => ({ expression: new RegExp(pattern), device }));
  return tensors.flatMap(({ name, sizeBytes }) => {
    const device = patterns.find(({ expression }) => expression.test(name))?.device;
    return device === undefined ? [] : [{ layer: layerOf(name, layerCount), bytes: sizeBytes, device }];
  });
}

function layerOf(name: string, layerCount: number): number | undefined {
  if (name.startsWith("output")) return layerCount;
  const layer = /^blk\.(\d+)\./.exec(name)?.[1];
  return layer === undefined ? undefined : Number(layer);
}

interface Facts {
  value: (name: string) => unknown;
  number: (name: string, otherwise?: number) => number;
  layerCount: number;
  headCount: number;
  embeddingLength: number;
  /** Undefined where all layers do. */
  attends: ReadonlySet<number> | undefined;
  hasCache: boolean;
}

function layersWith(tensors: readonly GgufTensor[], pattern: RegExp): Set<number> {
  const layers = tensors.map(({ name }) => pattern.exec(name)?.[1]);
  return new Set(layers.filter((layer) => layer !== undefined).map(Number));
}

function hasWindows(architecture: string, named: unknown): boolean {
  if (ignoredWindows.has(architecture)) return false;
  return (largest(named) ?? (unnamedWindows.has(architecture) ? 1 : 0)) > 0;
}

/** What `join` makes of the sizes of each layer's tensors, beginning with none. */
function layerWeights(
  tensors: readonly GgufTensor[],
  layerCount: number,
  join: (before: number, bytes: number) => number,
): number[] {
  const found = Array.from({ length: layerCount }, () => 0);
  for (const { name, sizeBytes } of tensors) {
    const layer = Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? NaN);
    const before = found[layer];
    if (before !== undefined) found[layer] = join(before, sizeBytes);
  }
  return found;
}

function cacheLengths(facts: Facts): Pick<ModelShape, "keyLengths" | "valueLengths" | "headLengths"> {
  const { value, number, layerCount, headCount, embeddingLength, attends, hasCache } = facts;
  const width = embeddingLength / headCount;
  // Multi-head latent attention keeps one compressed vector, out of which values come too.
  const isLatent = value("attention.key_length_mla") !== undefined;
  // Some models' last layers read what earlier ones keep.
  const withCache = hasCache ? layerCount - number("attention.shared_kv_layers") : 0;
  const perLayer = ([length, windowed]: readonly [number, number]): number[] =>
    Array.from({ length: layerCount }, (_, layer) =>
      layer < withCache && attends?.has(layer) !== false
        ? headsOf(value, layer, headCount) * (isWindowed(value, layer) ? windowed : length)
        : 0,
    );
  const lengths = (name: string): [number, number] => {
    const length = number(`attention.${name}_length`, width);
    return [length, number(`attention.${name}_length_swa`, length)];
  };
  const [k, v] = [lengths("key"), lengths("value")];
  return {
    keyLengths: perLayer(k),
    valueLengths: isLatent ? perLayer([0, 0]) : perLayer(v),
    headLengths: { k, v },
  };
}

/** Only models that name each layer's kind have other heads in windows. */
function isWindowed(value: Facts["value"], layer: number): boolean {
  const pattern = value("attention.sliding_window_pattern");
  return Array.isArray(pattern) && Boolean(pattern[layer]);
}

/** Heads of keys and values may differ from layer to layer. */
function headsOf(value: Facts["value"], layer: number, headCount: number): number {
  const heads = value("attention.head_count_kv");
  const found: unknown = Array.isArray(heads) ? heads[layer] : heads;
  return typeof found === "number" ? found : headCount;
}

/** Of one layer: what its convolution reaches back to, and the state itself. By llama.cpp's rules. */
function recurrentStateBytes(number: Facts["number"], embeddingLength: number, headCount: number): number {
  const [wkv, kda, shortConvolution] = [number("wkv.head_size"), number("kda.head_dim"), number("shortconv.l_cache")];
  if (wkv > 0) return (number("token_shift_count", 2) + wkv) * embeddingLength * 4;
  if (shortConvolution > 0) return (shortConvolution - 1) * embeddingLength * 4;
  const kernel = number("ssm.conv_kernel");
  if (kda > 0) return headCount * kda * (3 * (kernel > 0 ? kernel - 1 : 3) + kda) * 4;
  const [inner, state] = [number("ssm.inner_size"), number("ssm.state_size")];
  return (Math.max(0, kernel - 1) * (inner + 2 * number("ssm.group_count") * state) + state * inner) * 4;
}

function largest(value: unknown): number | undefined {
  if (Array.isArray(value)) return value.reduce((most: number, item) => Math.max(most, Number(item)), 0);
  return typeof value === "number" ? value : undefined;
}

function sumBytes(tensors: readonly { sizeBytes: number }[]): number {
  return tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
