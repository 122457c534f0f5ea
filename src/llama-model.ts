import { ownEngine } from "./chat/chat-engine.js";
import { ChatSession } from "./chat/chat-session.js";
import { ChatTemplate } from "./chat/chat-template.js";
import { resolveTemplate } from "./chat/prompt-source.js";
import type { ChatSessionOptions } from "./chat/session-options.js";
import { sessionRules } from "./chat/session-options.js";
import type { ContextOptions, PlannedContext } from "./context/context-options.js";
import { planContext, requireWeights } from "./context/context-options.js";
import { Engine } from "./context/engine.js";
import { InvalidOptionError, LlamaError } from "./errors.js";
import { LlamaContext } from "./llama-context.js";
import type { EmbedOptions } from "./model/embedder.js";
import { Embedder } from "./model/embedder.js";
import type { GpuFit } from "./model/gpu-layers.js";
import type { ModelInfo } from "./model/model-info.js";
import type { Model } from "./model/model.js";
import type { Tokenizer } from "./model/tokenizer.js";
import type { Check } from "./validate.js";
import { asRecord, optional, readOptions } from "./validate.js";

export interface ModelContextOptions extends ContextOptions {
  /**
   * A smaller model of the same vocabulary, which drafts tokens for every request that does not say `draft: false`: faster
   * where it guesses well, and the same tokens in any case. The context is disposed with either model. `INVALID_OPTION`
   * where the vocabularies differ, or the draft model's memory cannot be cut back (recurrent and hybrid models).
   */
  draftModel?: LlamaModel | undefined;
}

export interface ModelChatOptions extends ChatSessionOptions {
  /** Of the context that is made for the session. */
  context?: ModelContextOptions | undefined;
}

const aContextOptions: Check<ModelContextOptions> = (value, name) => asRecord(value, name);
const modelChatRules = { ...sessionRules, context: optional(aContextOptions) };

/**
 * A loaded model: its weights once in memory, for any number of contexts. Made by `loadModel`; it lives until it is
 * disposed, which ends everything made from it first.
 */
export class LlamaModel {
  readonly #model: Model;
  readonly #knownTemplate: string | null;
  #chatTemplate: ChatTemplate | undefined;
  #embedder: Embedder | undefined;

  /** Use `loadModel`. `template` is for a file that has none. */
  constructor(model: Model, known: { readonly template?: string | undefined } = {}) {
    this.#model = model;
    this.#knownTemplate = known.template ?? null;
  }

  /** Absolute path of the file, or of the first part of a split one. */
  get path(): string {
    return this.#model.path;
  }

  get info(): ModelInfo {
    return this.#model.info;
  }

  /** How many layers are on GPUs, and why; undefined where nothing is known of the model's memory. */
  get fit(): Readonly<GpuFit> | undefined {
    return this.#model.memory?.fit;
  }

  /** Scalar metadata of the file as text, by GGUF key. `inspectModel` has the arrays too. */
  get metadata(): Readonly<Record<string, string>> {
    return this.#model.metadata;
  }

  get tokenizer(): Tokenizer {
    return this.#model.tokenizer;
  }

  /** The source of the model's own chat template: its file's, or what is known of a model by that name; null where there is none. */
  get chatTemplateSource(): string | null {
    return this.#model.chatTemplateSource ?? this.#knownTemplate;
  }

  /** The model's own chat template. Throws `TEMPLATE` where its file has none, or a broken one. */
  get chatTemplate(): ChatTemplate {
    this.#model.assertUsable();
    this.#chatTemplate ??= this.createChatTemplate(this.#requireTemplateSource());
    return this.#chatTemplate;
  }

  get disposed(): boolean {
    return this.#model.disposed;
  }

  /** A template from Jinja source. Throws `TEMPLATE`, with the line in `details`, where it cannot be parsed. */
  createChatTemplate(source: string): ChatTemplate {
    this.#model.assertUsable();
    return new ChatTemplate(this.#model, source);
  }

  /** Makes a context to generate in. Rejects with `INSUFFICIENT_MEMORY`, and what would fit, where it does not. */
  async createContext(options?: ModelContextOptions): Promise<LlamaContext> {
    this.#model.assertUsable();
    const plan = this.#planContext(options, "createContext");
    return new LlamaContext(this, await Engine.create(this.#model, plan), plan.fit);
  }

  /** A conversation in a context of its own, which is made on the first `send` and disposed with the session. */
  createChat(options?: ModelChatOptions): ChatSession {
    this.#model.assertUsable();
    const { context, template, ...read } = readOptions("createChat", modelChatRules, options);
    const given = context && { ...context };
    const plan = (): PlannedContext => this.#planContext(given, "createChat");
    plan(); // what cannot be made is refused here; what there is of memory may be another amount on the first send
    const host = {
      model: this.#model,
      template: resolveTemplate(template, this.#model) ?? this.chatTemplate,
      engine: ownEngine(this.#model, plan),
    };
    return new ChatSession(host, read);
  }

  /**
   * Embeddings of texts, or of their tokens as they are, in their order; vectors of `info.embeddingLength` numbers.
   *
   * @throws LlamaError `CONTEXT_OVERFLOW` for a text longer than the model's context, and `INSUFFICIENT_MEMORY` for one
   *   whose computation would not fit in this machine's memory
   */
  embed(text: string | Int32Array, options?: EmbedOptions): Promise<Float32Array>;
  embed(texts: readonly (string | Int32Array)[], options?: EmbedOptions): Promise<Float32Array[]>;
  async embed(
    texts: string | Int32Array | readonly (string | Int32Array)[],
    options?: EmbedOptions,
  ): Promise<Float32Array | Float32Array[]> {
    this.#model.assertUsable();
    requireWeights(this.#model, "embed");
    this.#embedder ??= new Embedder(this.#model);
    if (typeof texts !== "string" && !(texts instanceof Int32Array)) return this.#embedder.embed(texts, options);
    const [vector] = await this.#embedder.embed([texts], options);
    if (vector === undefined) throw new LlamaError("DECODE", "The addon returned no embedding");
    return vector;
  }

  /** Ends everything made from the model, then frees the weights. Idempotent. */
  dispose(): Promise<void> {
    return this.#model.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #planContext(options: unknown, owner: string): PlannedContext {
    const given = options === undefined ? {} : asRecord(options, `the options of ${owner}`);
    const { draftModel, ...context } = given;
    if (draftModel === undefined) return planContext(context, this.#model, owner);
    if (!(draftModel instanceof LlamaModel)) throw new InvalidOptionError("draftModel", "a LlamaModel", draftModel);
    draftModel.#model.assertUsable();
    if (draftModel.#model.addon !== this.#model.addon) {
      throw new InvalidOptionError("draftModel", "a model that was loaded with the same `gpu`", draftModel);
    }
    return planContext(context, this.#model, owner, draftModel.#model);
  }

  #requireTemplateSource(): string {
    const source = this.chatTemplateSource;
    if (source !== null) return source;
    const message = "The model's file has no chat template; pass one with the template option";
    throw new LlamaError("TEMPLATE", message, { details: { option: "template" } });
  }
}
