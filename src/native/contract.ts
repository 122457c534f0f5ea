/**
 * The hand-written contract of the native addon. `scripts/check-contract.mjs` fails the build when the functions the
 * addon exports and the members of {@link NativeAddon} differ.
 *
 * Rules: one options object per call; handles are opaque, type-tagged objects; sizes are tokens unless a name ends in
 * `Bytes`; times are milliseconds. Errors are thrown (or reject) as `Error` objects with `code`, `details` and `cause`
 * set; `src/native/errors.ts` turns them into the classes of `src/errors.ts`.
 */

declare const handleKind: unique symbol;
interface Handle<Kind extends string> {
  readonly [handleKind]: Kind;
}
export type ModelHandle = Handle<"model">;
export type LoadJobHandle = Handle<"loadJob">;
export type TemplateHandle = Handle<"template">;
export type ContextHandle = Handle<"context">;

export interface NativeDevice {
  /** ggml's short name, e.g. `CPU`, `CUDA0`, `Vulkan0`. */
  name: string;
  description: string;
  type: "cpu" | "gpu" | "integrated-gpu" | "accelerator";
  backend: string;
  freeBytes: number;
  totalBytes: number;
  /** Whether its backend can divide matrices by rows among its devices. */
  splitsRows: boolean;
}

export interface NativeSystemInfo {
  llamaVersion: string;
  compiler: string;
  /** Instruction sets the CPU kernels were compiled with and this CPU has, e.g. `AVX2`, `FMA`, `F16C`. */
  cpuFeatures: string[];
  /** The kind of CPU whose kernels a package's addon chose, e.g. `haswell`; null where kernels are part of the addon. */
  cpuVariant: string | null;
  devices: NativeDevice[];
  /** Lines of llama.cpp's log from when its backends looked for devices: that there is no driver, for one. */
  backendWarnings: string[];
  supportsMmap: boolean;
  supportsMlock: boolean;
  supportsGpuOffload: boolean;
  /** Names accepted as `kvTypeK` and `kvTypeV`. */
  kvTypes: string[];
}

export interface NativeMetadataOverride {
  key: string;
  /** `int` values are passed as numbers and must be integers. */
  type: "int" | "float" | "bool" | "string";
  value: number | boolean | string;
}

export interface NativeDevicePlan {
  /** Names of the devices that layers may go to, in order; null leaves the choice to llama.cpp, without all of the rest here. */
  devices: string[] | null;
  splitMode: "layer" | "row";
  /** A proportion for each device; empty for their free memory. */
  tensorSplit: Float32Array;
  /** The first whose pattern (ECMAScript's grammar, as C++ has it) is found in a tensor's name decides; "CPU" is RAM. */
  tensorOverrides: { pattern: string; device: string }[];
}

export interface NativeLoadOptions extends NativeDevicePlan {
  /** Absolute path of the GGUF file, or of the first part of a split one. */
  path: string;
  loadMode: "mmap" | "mlock" | "mmap+mlock" | "read" | "direct-io";
  vocabularyOnly: boolean;
  checkTensors: boolean;
  /** Layers to put on GPUs; -1 means all. */
  gpuLayers: number;
  /** Whether weights may be repacked for this CPU's kernels (faster, default true). */
  repack: boolean;
  metadataOverrides: NativeMetadataOverride[];
  /** Called on the JS thread with 0..1, in order, coalesced; the last call is 1. */
  onProgress: ((fraction: number) => void) | null;
}

export interface NativeModelInfo {
  description: string;
  architecture: string;
  parameterCount: number;
  /** Bytes of all tensors. */
  sizeBytes: number;
  fileType: string;
  contextLength: number;
  embeddingLength: number;
  layerCount: number;
  headCount: number;
  headCountKv: number;
  /** 0 where the model has no sliding window. */
  slidingWindow: number;
  hasEncoder: boolean;
  hasDecoder: boolean;
  isRecurrent: boolean;
  isHybrid: boolean;
  /** Scalar metadata, formatted by llama.cpp. Arrays are left out; `ggufInspect` has them. */
  metadata: Record<string, string>;
  chatTemplate: string | null;
  vocabulary: NativeVocabularyInfo;
}

export interface NativeVocabularyInfo {
  type: "none" | "spm" | "bpe" | "wpm" | "ugm" | "rwkv" | "plamo2" | "unknown";
  size: number;
  addBos: boolean;
  addEos: boolean;
  /** Special tokens; null where the model has none. */
  bos: number | null;
  eos: number | null;
  eot: number | null;
  sep: number | null;
  nl: number | null;
  pad: number | null;
  mask: number | null;
  fimPrefix: number | null;
  fimSuffix: number | null;
  fimMiddle: number | null;
  /** Every token that ends a generation. */
  endOfGeneration: number[];
  /** Texts of control and unknown tokens: what `parseSpecial` turns into tokens and is plain text otherwise. */
  specialTexts: string[];
}

export interface NativeTokenInfo {
  /** The text as it stands in the vocabulary, e.g. `▁Hello` or `<0x0A>`. */
  text: string;
  score: number;
  isControl: boolean;
  isEndOfGeneration: boolean;
  isByte: boolean;
  isUserDefined: boolean;
  isUnknown: boolean;
}

export interface NativeGgufTensor {
  name: string;
  type: string;
  shape: number[];
  sizeBytes: number;
  /** Offset from the start of its file. */
  offsetBytes: number;
}

export interface NativeGgufFile {
  version: number;
  alignment: number;
  sizeBytes: number;
  /** Numbers (64-bit integers beyond 2^53 as strings), booleans, strings, and arrays as `{type, length, values}`. */
  metadata: Record<string, unknown>;
  tensors: NativeGgufTensor[];
}

export interface NativeContextParams {
  /** Tokens the KV cache holds for all sequences together; 0 means the model's context length. */
  contextSize: number;
  /** How many requests may run at once. */
  sequences: number;
  batchSize: number;
  microBatchSize: number;
  /** Threads for single-token steps and for prompts; 0 means the default of this machine. */
  threads: number;
  batchThreads: number;
  kvTypeK: string;
  kvTypeV: string;
  flashAttention: "auto" | "on" | "off";
  offloadKv: boolean;
  /** Waiting requests beyond which `contextGenerate` throws QUEUE_FULL. */
  queueSize: number;
  /** How long a token may wait at most for those of the next steps, to cross together. */
  packetIntervalMs: number;
  /** RAM for the states of sequences that leave the KV cache; 0 is off. */
  ramCacheBytes: number;
  ropeFrequencyBase: number;
  ropeFrequencyScale: number;
  /** An embedding context evaluates `contextEmbed` only. */
  embeddings: boolean;
  pooling: "default" | "none" | "mean" | "cls" | "last";
}

export interface NativeContextInfo {
  contextSize: number;
  sequences: number;
  batchSize: number;
  microBatchSize: number;
  threads: number;
  batchThreads: number;
  canShift: boolean;
}

export interface NativeContextStats {
  running: number;
  waiting: number;
  usedCells: number;
  totalCells: number;
  cachedSequences: number;
  /** Sums since the context was created. */
  steps: number;
  /** Tokens evaluated, prompt tokens taken from the cache, and tokens generated. */
  evaluatedTokens: number;
  cachedTokens: number;
  generatedTokens: number;
  cacheHits: number;
  evictions: number;
  preemptions: number;
  /** Requests that ran in steps, summed over steps: divided by `steps` it is the mean batch. */
  stepRequests: number;
  /** RAM taken by checkpoints of states that cannot be cut (recurrent and hybrid models). */
  checkpointBytes: number;
  /** The second tier (`ramCacheSize`): what it holds now, and how many sequences came back from it. */
  storedSequences: number;
  storedBytes: number;
  restoredSequences: number;
}

/** Sampling in llama.cpp's terms; every field is required, `src/sampling` fills in defaults. */
export interface NativeSamplingParams {
  seed: number;
  temperature: number;
  dynamicTemperatureRange: number;
  dynamicTemperatureExponent: number;
  topK: number;
  topP: number;
  minP: number;
  typicalP: number;
  /** <= 0 is off. */
  topNSigma: number;
  minKeep: number;
  xtcProbability: number;
  xtcThreshold: number;
  dryMultiplier: number;
  dryBase: number;
  dryAllowedLength: number;
  /** Tokens to look back over, -1 means the whole context. */
  dryPenaltyLastN: number;
  drySequenceBreakers: string[];
  repeatPenalty: number;
  frequencyPenalty: number;
  presencePenalty: number;
  repeatLastN: number;
  mirostat: 0 | 1 | 2;
  mirostatTau: number;
  mirostatEta: number;
  /** Pairs flattened: token ids and biases of equal length; -Infinity forbids a token. */
  logitBiasTokens: Int32Array;
  logitBiasValues: Float32Array;
  /** Names of llama.cpp: `penalties dry top_n_sigma top_k typ_p top_p min_p xtc temperature`. */
  order: string[];
  /** GBNF with a rule `root`, or "" for none. */
  grammar: string;
}

export interface NativeGenerateRequest {
  context: ContextHandle;
  /** 1 to 2^31 - 1, chosen by the caller, unique among the requests of this context that have not ended. */
  id: number;
  tokens: Int32Array;
  maxTokens: number;
  stop: string[];
  stopTokens: Int32Array;
  ignoreEos: boolean;
  /** Top alternatives to report per token; -1 means no logprobs at all, 0 the chosen token's only. */
  logprobs: number;
  /** Whether a full context drops its oldest tokens (after `keepTokens`) and goes on. */
  contextShift: boolean;
  keepTokens: number;
  /** Whether this request may reuse cached prefixes. What it evaluates always stays in the cache for others. */
  cachePrompt: boolean;
  /** Whether control tokens are rendered into the text. */
  renderSpecial: boolean;
  /** Larger runs first; equal runs in order of arrival. */
  priority: number;
  /**
   * Milliseconds from the caller's request on after which it ends with error TIMEOUT, wherever it is then; up to 2^31 - 1,
   * 0 is never.
   */
  timeoutMs: number;
  /** Milliseconds that have gone since the caller's request: they count in all times and in the timeout. */
  elapsedMs: number;
  /** Tokens to draft a step at most, by looking up what followed the same tokens before; 0 is off. */
  promptLookup: number;
  /** The same, by the context's draft model; -1 is the default where there is one, 0 is off. */
  draft: number;
  sampling: NativeSamplingParams;
}

export interface NativeLogprob {
  token: number;
  logprob: number;
}

export interface NativeTokenLogprob extends NativeLogprob {
  /** Raw bytes of the token's piece, as it may be part of a character. */
  bytes: Uint8Array;
  top: (NativeLogprob & { bytes: Uint8Array })[];
}

export interface NativeGenerationEnd {
  reason: "stop" | "length" | "cancelled" | "error";
  /** The stop string that matched, without having been emitted. */
  stopString: string | null;
  /** The token that ended the generation (end of generation or a stop token), not part of the text. */
  stopToken: number | null;
  promptTokens: number;
  cachedTokens: number;
  generatedTokens: number;
  /** Milliseconds: from the caller's request to admission, to the first token, and in all. */
  queueMs: number;
  firstTokenMs: number;
  totalMs: number;
  /** Milliseconds spent on this request's prompt and on its generation. */
  promptMs: number;
  generationMs: number;
  /** Times old tokens were dropped to make room. */
  contextShifts: number;
  /** Tokens drafted, by `promptLookup` or the draft model, and how many of them came true. */
  draftedTokens: number;
  acceptedTokens: number;
  error: NativeErrorShape | null;
}

export interface NativeErrorShape {
  code: string;
  message: string;
  details: Record<string, string | number | boolean | null>;
  /** llama.cpp's own log lines of the failing call, or null. */
  log: string | null;
}

/** What one request got from one step, or from a few. `src/context/event-packet.ts` reads them from packets. */
export interface NativeEvent {
  id: number;
  /** Whole UTF-8 characters that are certain not to be part of a stop string; may be "". */
  text: string;
  /** Tokens sampled since the last event, in order; the ending token is not among them. */
  tokens: number[];
  logprobs: NativeTokenLogprob[] | null;
  /** Prompt tokens in the KV cache so far (cached ones included). */
  promptProcessed: number;
  end: NativeGenerationEnd | null;
}

/**
 * The events of all requests cross together, in as few values as can be. `numbers` holds their count, then for each its
 * id, `promptProcessed`, the number of tokens and the tokens; it is used again after the call. `rare` has an entry an
 * event, or is null where none has one. `texts` has one an event.
 */
export type NativeEventReceiver = (
  numbers: Int32Array,
  rare: (Pick<NativeEvent, "logprobs" | "end"> | null)[] | null,
  ...texts: string[]
) => void;

export interface NativeAddon {
  systemInfo(options: Record<string, never>): NativeSystemInfo;

  /** Loads on a thread of its own. The promise rejects with code CANCELLED after `loadCancel`. */
  modelLoad(options: NativeLoadOptions): { promise: Promise<ModelHandle>; job: LoadJobHandle };
  loadCancel(options: { job: LoadJobHandle }): void;
  /** Drops this handle's share of the weights; contexts made from it keep theirs until they are disposed. */
  modelFree(options: { model: ModelHandle }): Promise<void>;
  modelInfo(options: { model: ModelHandle }): NativeModelInfo;
  /** Reads header, metadata and tensor list without loading, off the JS thread. */
  ggufInspect(options: { path: string }): Promise<NativeGgufFile>;

  tokenize(options: { model: ModelHandle; text: string; addSpecial: boolean; parseSpecial: boolean }): Int32Array;
  tokenizeAsync(options: {
    model: ModelHandle;
    text: string;
    addSpecial: boolean;
    parseSpecial: boolean;
  }): Promise<Int32Array>;
  /** `removeSpecial` drops leading BOS/trailing EOS; `renderSpecial` renders control tokens as text. */
  detokenize(options: {
    model: ModelHandle;
    tokens: Int32Array;
    removeSpecial: boolean;
    renderSpecial: boolean;
  }): string;
  detokenizeAsync(options: {
    model: ModelHandle;
    tokens: Int32Array;
    removeSpecial: boolean;
    renderSpecial: boolean;
  }): Promise<string>;
  tokenInfo(options: { model: ModelHandle; token: number }): NativeTokenInfo;
  /** Raw bytes of one token's piece. */
  tokenPiece(options: { model: ModelHandle; token: number; renderSpecial: boolean }): Uint8Array;

  /** Parses a Jinja template; TEMPLATE with `details.line` where it is broken. */
  templateCreate(options: { source: string }): TemplateHandle;
  /** Renders with the variables of a JSON object (`messages`, `tools`, `add_generation_prompt`, `bos_token`, …). */
  templateRender(options: { template: TemplateHandle; variables: string }): string;
  templateRenderAsync(options: { template: TemplateHandle; variables: string }): Promise<string>;

  /** Creates the llama context and its engine thread, off the JS thread. */
  contextCreate(options: {
    model: ModelHandle;
    /** Of the same vocabulary, or null. INVALID_OPTION where it differs, or cannot draft. */
    draftModel: ModelHandle | null;
    params: NativeContextParams;
    /** Called on the JS thread with the events of one or more steps, in order. Keeps nothing alive while idle. */
    onEvents: NativeEventReceiver;
  }): Promise<ContextHandle>;
  contextInfo(options: { context: ContextHandle }): NativeContextInfo;
  contextStats(options: { context: ContextHandle }): NativeContextStats;
  /** Ends every request with reason `cancelled`, stops the thread and frees the context. Idempotent. */
  contextDispose(options: { context: ContextHandle }): Promise<void>;

  /** Queues a request. Throws INVALID_OPTION, CONTEXT_OVERFLOW, QUEUE_FULL or DISPOSED; all later news are events. */
  contextGenerate(options: NativeGenerateRequest): void;
  /** Stops a request, queued or running; its end event follows. Unknown ids are ignored. */
  contextCancel(options: { context: ContextHandle; id: number }): void;
  /** Embeddings of each input, normalized by the caller. Only in contexts with `embeddings`. */
  contextEmbed(options: { context: ContextHandle; inputs: Int32Array[] }): Promise<Float32Array[]>;

  /** Low-level sequences; each takes one of the context's sequence slots until disposed. */
  sequenceCreate(options: { context: ContextHandle }): Promise<number>;
  /** Appends tokens; resolves to logits: of the last token, of every token (row by row), or null. */
  sequenceEvaluate(options: {
    context: ContextHandle;
    sequence: number;
    tokens: Int32Array;
    logits: "last" | "all" | "none";
  }): Promise<Float32Array | null>;
  sequenceFork(options: { context: ContextHandle; sequence: number }): Promise<number>;
  /** Keeps the first `length` tokens. */
  sequenceTruncate(options: { context: ContextHandle; sequence: number; length: number }): Promise<void>;
  sequenceSave(options: { context: ContextHandle; sequence: number }): Promise<Uint8Array>;
  /** Replaces the sequence's content by what `sequenceSave` gave; resolves to its tokens. */
  sequenceRestore(options: { context: ContextHandle; sequence: number; state: Uint8Array }): Promise<Int32Array>;
  sequenceDispose(options: { context: ContextHandle; sequence: number }): Promise<void>;
}
