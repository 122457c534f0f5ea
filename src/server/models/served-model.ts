import type { ContextOptions } from "../../context/context-options.js";
import type { LlamaContext } from "../../llama-context.js";
import type { LlamaModel } from "../../llama-model.js";
import type { LoadModelOptions } from "../../model/load-options.js";

/** What a context of the server is made with; of a smaller model as many tokens as it was trained for. */
export const contextDefaults = { contextSize: 8192, sequences: 8, queueSize: 256 } as const;

/** One model of a server. */
export interface ServedModel {
  /**
   * As for `loadModel`: a path or a known name, loaded by the server when it is needed. Or a context that is there already:
   * the server generates in it and never disposes it.
   */
  readonly source: string | LlamaContext;
  /** The name it is listed by. Default: that of the source, for a file without folder, ".gguf" and quantization. */
  readonly name?: string | undefined;
  /** Further names that requests may use. */
  readonly aliases?: readonly string[] | undefined;
  readonly load?: Omit<LoadModelOptions, "onProgress" | "signal" | "vocabularyOnly" | "plannedContext"> | undefined;
  /** Default: 8 sequences that share min(8192, the model's own context length) tokens, and a queue of 256. */
  readonly context?: ContextOptions | undefined;
  /** Jinja source of a chat template in place of the model's own. */
  readonly template?: string | undefined;
}

/** A model that is loaded, with the context all its requests share; null where the model makes embeddings alone. */
export interface LoadedModel {
  readonly model: LlamaModel;
  readonly context: LlamaContext | null;
}
