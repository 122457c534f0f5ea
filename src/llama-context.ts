import { sharedEngine } from "./chat/chat-engine.js";
import { ChatSession } from "./chat/chat-session.js";
import type { ChatTemplate } from "./chat/chat-template.js";
import type { GenerateOptions } from "./chat/prompt-source.js";
import { readGenerateOptions, resolveTemplate } from "./chat/prompt-source.js";
import type { ChatSessionOptions } from "./chat/session-options.js";
import { sessionRules } from "./chat/session-options.js";
import type { Engine } from "./context/engine.js";
import { LlamaSequence } from "./context/llama-sequence.js";
import { startGeneration } from "./context/start-generation.js";
import type { Generation } from "./generation/generation.js";
import type { LlamaModel } from "./llama-model.js";
import type { ContextFit } from "./model/fit.js";
import type { NativeContextInfo, NativeContextStats } from "./native/contract.js";
import { readOptions } from "./validate.js";

/**
 * A KV cache with an engine that runs any number of requests at once over it. Made by `model.createContext`; it lives until
 * it or its model is disposed.
 */
export class LlamaContext {
  readonly model: LlamaModel;
  /** Which size and KV cache were chosen by the memory there was, and why; undefined where that is not known. */
  readonly fit: Readonly<ContextFit> | undefined;
  readonly #engine: Engine;
  readonly #ownTemplate: () => ChatTemplate;

  /** Use `model.createContext`. */
  constructor(model: LlamaModel, engine: Engine, fit?: ContextFit) {
    this.model = model;
    this.fit = fit;
    this.#engine = engine;
    this.#ownTemplate = () => model.chatTemplate;
  }

  /** The sizes and threads in use. */
  get info(): Readonly<NativeContextInfo> {
    return this.#engine.info;
  }

  /** Requests that may wait while `info.sequences` run; one more rejects with `QUEUE_FULL`. */
  get queueSize(): number {
    return this.#engine.queueSize;
  }

  get disposed(): boolean {
    return this.#engine.disposed;
  }

  /** What the engine does now, and sums since the context was made. */
  stats(): NativeContextStats {
    return this.#engine.stats;
  }

  /**
   * Starts a request for text. Bad options throw `INVALID_OPTION` at once, and a disposed context `DISPOSED`; whatever
   * comes later, such as `CONTEXT_OVERFLOW` or `QUEUE_FULL`, rejects the generation.
   */
  generate(options: GenerateOptions): Generation {
    this.#engine.assertUsable();
    const { request, encode, reader } = readGenerateOptions(options, this.#engine.model, this.#ownTemplate);
    return startGeneration({
      model: this.#engine.model,
      engine: () => this.#engine,
      options: request,
      prompt: encode,
      reader,
    });
  }

  /** A sequence to evaluate by hand. It takes one of the context's places until it is disposed. */
  async sequence(): Promise<LlamaSequence> {
    return LlamaSequence.create(this.#engine);
  }

  /** A conversation in this context, which it shares with everything else that runs here. */
  createChat(options?: ChatSessionOptions): ChatSession {
    this.#engine.assertUsable();
    const { template, ...read } = readOptions("createChat", sessionRules, options);
    const { model } = this.#engine;
    const host = {
      model,
      template: resolveTemplate(template, model) ?? this.#ownTemplate(),
      engine: sharedEngine(this.#engine),
    };
    return new ChatSession(host, read);
  }

  /** Ends every request (they reject with `DISPOSED`) and frees the context. Idempotent. */
  dispose(): Promise<void> {
    return this.#engine.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
