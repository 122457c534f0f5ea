import { packageVersion } from "../native/own-package.js";
import { abortable } from "./abortable.js";
import type { EmbeddingRequest, Embeddings, PlainServices, TokenPiece } from "./dialect.js";
import { Problem } from "./http/problem.js";
import { Backend } from "./inference/backend.js";
import { embed } from "./inference/embed.js";
import type { ChatPrompt } from "./inference/request.js";
import { factsOf } from "./models/model-facts.js";
import { ModelPool } from "./models/model-pool.js";
import { Metrics } from "./operation/metrics.js";
import type { ReadHandlerOptions } from "./server-options.js";

/** Milliseconds; of more, a timer would make none at all. */
const longestTimer = 0x7fffffff;

/** The server behind its routes: models, what runs, and its way from start to end. */
export class Service implements PlainServices {
  readonly options: ReadHandlerOptions;
  readonly pool: ModelPool;
  readonly backend: Backend;
  readonly metrics: Metrics;
  readonly version = packageVersion;
  /** Settles when the models of the start are loaded. */
  readonly ready: Promise<void>;
  #state: "loading" | "ready" | "failed" | "draining" = "loading";
  readonly #running = new Set<AbortController>();
  /** Those who wait for the end of all that runs. */
  readonly #onIdle: (() => void)[] = [];
  #disposal: Promise<void> | undefined;

  constructor(options: ReadHandlerOptions) {
    const { models, memoryBudgetBytes, idleUnloadMs, log, defaults, contentFilter: filter } = options;
    this.options = options;
    this.pool = new ModelPool(models, { memoryBudgetBytes, idleUnloadMs, log });
    this.backend = new Backend(this.pool, { defaults, filter });
    this.metrics = new Metrics(this.pool);
    this.ready = this.#prepare();
    this.ready.catch(() => undefined); // for those who wait
  }

  get draining(): boolean {
    return this.#state === "draining";
  }

  /** Throws unless requests for text are answered now. */
  assertReady(): void {
    if (this.#state === "draining") {
      throw new Problem("draining", "The server is shutting down", { retryAfter: 5 });
    }
    if (this.#state === "loading") throw new Problem("loading", "The model is still being loaded", { retryAfter: 2 });
    if (this.#state === "failed") throw new Problem("loading", "The model could not be loaded; the log has why");
  }

  /** Counts a request in; what it returns counts it out. `stop` is aborted when the server cannot wait any longer. */
  begin(stop: AbortController): () => void {
    this.assertReady();
    if (this.#running.size >= this.options.maxRequests) {
      throw new Problem("queue_full", `${this.#running.size} requests are in work or waiting, which is the limit`, {
        retryAfter: 1,
      });
    }
    this.#running.add(stop);
    return () => {
      this.#running.delete(stop);
      if (this.#running.size === 0) for (const tell of this.#onIdle.splice(0)) tell();
    };
  }

  /** Takes no more requests, and resolves when those in work have ended; after `deadlineMs` they are ended. */
  async drain(deadlineMs: number): Promise<void> {
    this.#state = "draining";
    if (this.#running.size === 0) return;
    const reason = new Problem("draining", "The server is shutting down", { retryAfter: 5 });
    const end = (): void => {
      for (const stop of this.#running) stop.abort(reason);
    };
    const deadline = setTimeout(end, Math.min(deadlineMs, longestTimer));
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    clearTimeout(deadline);
  }

  dispose(): Promise<void> {
    this.#state = "draining";
    this.#disposal ??= this.pool.dispose();
    return this.#disposal;
  }

  models(): ReturnType<PlainServices["models"]> {
    return this.pool.models.map(factsOf);
  }

  async model(name: string | undefined): ReturnType<PlainServices["model"]> {
    return factsOf(await this.pool.find(name));
  }

  async loadedModel(
    name: string | undefined,
    signal: AbortSignal,
    keepMs?: number,
  ): ReturnType<PlainServices["loadedModel"]> {
    const entry = await this.pool.find(name);
    const lease = await this.pool.acquire(entry, signal);
    const facts = factsOf(entry);
    lease.release(keepMs);
    return facts;
  }

  tokenize(
    model: string | undefined,
    text: string,
    options: { addSpecial: boolean; parseSpecial: boolean },
    signal: AbortSignal,
  ): Promise<TokenPiece[]> {
    return this.backend.withModel(model, signal, async ({ tokenizer }) => {
      const tokens = await tokenizer.encodeAsync(text, options);
      return Array.from(tokens, (id) => ({ id, bytes: tokenizer.pieceBytes(id) }));
    });
  }

  detokenize(model: string | undefined, tokens: readonly number[], signal: AbortSignal): Promise<string> {
    return this.backend.withModel(model, signal, ({ tokenizer }) => tokenizer.decodeAsync(tokens));
  }

  renderChat(model: string | undefined, prompt: ChatPrompt, signal: AbortSignal): Promise<string> {
    return this.backend.renderChat(model, prompt, signal);
  }

  countTokens(model: string | undefined, prompt: ChatPrompt, signal: AbortSignal): Promise<number> {
    return this.backend.countTokens(model, prompt, signal);
  }

  async embed(model: string | undefined, request: EmbeddingRequest, signal: AbortSignal): Promise<Embeddings> {
    const entry = await this.pool.find(model);
    const lease = await this.pool.acquire(entry, signal);
    // What the engine computes is computed to its end, for which the model stays.
    const work = embed(lease, request, signal).finally(() => lease.release(request.keepMs));
    return await abortable(work, signal);
  }

  async #prepare(): Promise<void> {
    try {
      if (!this.options.loadOnDemand) await this.pool.loadAll();
      if (this.#state === "loading") this.#state = "ready";
    } catch (error) {
      if (this.#state === "loading") {
        this.#state = "failed";
        this.options.log.error({ err: error }, "the models could not be loaded");
      }
      throw error;
    }
  }
}
