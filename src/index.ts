export { loadModel } from "./load-model.js";
export { pullModel } from "./pull-model.js";
export { inspectModel } from "./model/inspect-model.js";
export { systemInfo } from "./native/load-addon.js";

export { LlamaModel } from "./llama-model.js";
export { LlamaContext } from "./llama-context.js";
export { LlamaSequence } from "./context/llama-sequence.js";
export { Tokenizer } from "./model/tokenizer.js";
export { ChatTemplate } from "./chat/chat-template.js";
export { ChatSession } from "./chat/chat-session.js";
export { Generation } from "./generation/generation.js";

export { DisposedError, InvalidOptionError, LlamaError } from "./errors.js";
export type { LlamaErrorCode, LlamaErrorDetails } from "./errors.js";

export type {
  LoadModelOptions,
  MetadataValue,
  PlannedContextOptions,
  TypedMetadataValue,
} from "./model/load-options.js";
export type { ModelInfo } from "./model/model-info.js";
export type { DecodeOptions, EncodeOptions, SpecialTokens, TokenInfo } from "./model/tokenizer.js";
export type { EmbedOptions } from "./model/embedder.js";
export type { ModelChatOptions, ModelContextOptions } from "./llama-model.js";

export type { PullModelOptions } from "./pull-model.js";
export type { DownloadProgress } from "./progress.js";
export type { ContextFit, MemoryShare } from "./model/fit.js";
export type { GpuFit } from "./model/gpu-layers.js";

export type { ContextOptions } from "./context/context-options.js";
export type { KvType } from "./model/ggml-types.js";
export type { RequestOptions } from "./context/request-options.js";
export type { EvaluateOptions } from "./context/llama-sequence.js";

export type {
  DryOptions,
  DynamicTemperatureOptions,
  LogitBias,
  MirostatOptions,
  SamplerName,
  SamplingOptions,
  XtcOptions,
} from "./sampling/sampling-options.js";

export type {
  FinishReason,
  GeneratedToken,
  GeneratedToolCall,
  GenerationEvent,
  GenerationPiece,
  GenerationResult,
  Timings,
  TokenLogprob,
  TokenProbability,
  ToolCallPart,
  Usage,
} from "./generation/result.js";

export type { ApplyOptions, RenderOptions, ToolDefinition } from "./chat/chat-template.js";
export type { ChatMessage, ChatRole, TextPart, ToolCall } from "./chat/messages.js";
export type {
  GenerateOptions,
  MessagesPrompt,
  PromptOptions,
  TemplateOptions,
  TextPrompt,
  TokensPrompt,
} from "./chat/prompt-source.js";
export type { ToolChoice } from "./chat/tools/plan-tools.js";
export type { ChatMaker } from "./chat/chat-session.js";
export type { ChatSessionOptions, ChatSessionState, SendOptions } from "./chat/session-options.js";

export type {
  NativeContextInfo as ContextInfo,
  NativeContextStats as ContextStats,
  NativeDevice as Device,
  NativeGgufFile as GgufFile,
  NativeGgufTensor as GgufTensor,
} from "./native/contract.js";
export type { AddonPlace, SystemInfo } from "./native/load-addon.js";
export type { Backend, GpuBackend, GpuChoice, PassedOverBackend } from "./native/backends.js";
