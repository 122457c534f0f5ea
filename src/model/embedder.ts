import { InvalidOptionError, LlamaError } from "../errors.js";
import type { ContextHandle } from "../native/contract.js";
import { awaitAddon } from "../native/errors.js";
import type { Check, RulesFor } from "../validate.js";
import { aBoolean, anAbortSignal, anArrayOf, aString, oneOf, optional, readOptions, withDefault } from "../validate.js";
import { contextBudget } from "./fit.js";
import { gigabytes } from "./gigabytes.js";
import { embeddingBytes, embeddingSequences } from "./memory-estimate.js";
import { availableMemory, ramMemory, reserve } from "./memory-ledger.js";
import type { Model } from "./model.js";

export interface EmbedOptions {
  /**
   * How the vectors of a text's tokens become one. "default" is what the model was made for (its metadata say so), and
   * "mean" for models that were made for no embeddings.
   */
  pooling?: "default" | "mean" | "cls" | "last" | undefined;
  /** Scale each vector to length 1. Default true. */
  normalize?: boolean | undefined;
  /** Rejects with its reason where it is aborted before the texts are computed; what has begun is computed to its end. */
  signal?: AbortSignal | undefined;
}

type Pooling = "default" | "mean" | "cls" | "last";

const rules = {
  pooling: withDefault(oneOf("default", "mean", "cls", "last"), "default"),
  normalize: withDefault(aBoolean, true),
  signal: optional(anAbortSignal),
} satisfies RulesFor<EmbedOptions>;

/** Of tokens, what the model shall see; nothing is put around them. */
const aText: Check<string | Int32Array> = (value, name) => (value instanceof Int32Array ? value : aString(value, name));

const smallestContext = 512;
/** Tokens: larger contexts, whose buffers grow with the square of it, go when nobody waits for one. */
export const largestKept = 2048;

/** Makes embeddings in contexts of its own, one for each way of pooling, that grow with the texts. */
export class Embedder {
  readonly #model: Model;
  readonly #contexts = new Map<Pooling, { size: number; handle: ContextHandle }>();
  /** Contexts are remade between calls, so that these take turns. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(model: Model) {
    this.#model = model;
    model.adopt(this);
  }

  async embed(texts: readonly (string | Int32Array)[], options: EmbedOptions | undefined): Promise<Float32Array[]> {
    const { pooling, normalize, signal } = readOptions("embed", rules, options);
    const inputs = await this.#encode(
      anArrayOf(aText, "a string, its tokens as an Int32Array, or an array of these")(texts, "texts"),
    );
    if (inputs.length === 0) return [];
    this.#waiting++;
    const run = this.#last.then(() => {
      signal?.throwIfAborted();
      return this.#run(inputs, this.#resolvePooling(pooling));
    });
    this.#last = run.then(
      () => this.#leave(),
      () => this.#leave(),
    );
    const vectors = await run;
    return normalize ? vectors.map(toUnitLength) : vectors;
  }

  /** Ends what is being computed. */
  async dispose(): Promise<void> {
    await this.#disposeContexts(() => true);
    await this.#last;
    await this.#disposeContexts(() => true); // one may have been in the making
  }

  /** The last one that goes leaves no large context behind. */
  async #leave(): Promise<void> {
    this.#waiting--;
    if (this.#waiting === 0) await this.#disposeContexts(({ size }) => size > largestKept).catch(() => undefined);
  }

  async #disposeContexts(isMeant: (context: { size: number }) => boolean): Promise<void> {
    const meant = [...this.#contexts].filter(([, context]) => isMeant(context));
    for (const [pooling] of meant) this.#contexts.delete(pooling);
    const { addon } = this.#model;
    await Promise.all(meant.map(([, { handle: context }]) => awaitAddon(() => addon.contextDispose({ context }))));
  }

  async #encode(texts: readonly (string | Int32Array)[]): Promise<Int32Array[]> {
    const { tokenizer, info } = this.#model;
    const inputs = await Promise.all(
      texts.map(
        async (text, index) =>
          typeof text === "string"
            ? tokenizer.encodeSoon(text, { addSpecial: true })
            : tokenizer.checkTokens(text, `texts[${index}]`).slice(), // its owner may write into it meanwhile
      ),
    );
    for (const [index, tokens] of inputs.entries()) {
      if (tokens.length === 0)
        throw new InvalidOptionError(`texts[${index}]`, "a text of at least one token", texts[index]);
      if (info.contextLength > 0 && tokens.length > info.contextLength) {
        throw new LlamaError(
          "CONTEXT_OVERFLOW",
          `A text of ${tokens.length} tokens does not fit in the model's context of ${info.contextLength}`,
          { details: { promptTokens: tokens.length, contextSize: info.contextLength } },
        );
      }
    }
    return inputs;
  }

  async #run(inputs: Int32Array[], pooling: Pooling): Promise<Float32Array[]> {
    const longest = inputs.reduce((most, { length }) => Math.max(most, length), 0);
    const context = await this.#contextFor(longest, pooling);
    return awaitAddon(() => this.#model.addon.contextEmbed({ context, inputs }));
  }

  async #contextFor(tokens: number, pooling: Pooling): Promise<ContextHandle> {
    this.#model.assertUsable();
    const { addon } = this.#model;
    const present = this.#contexts.get(pooling);
    if (present !== undefined && present.size >= tokens) return present.handle;
    if (present !== undefined) {
      this.#contexts.delete(pooling);
      await awaitAddon(() => addon.contextDispose({ context: present.handle }));
    }
    const size = this.#sizeThatFits(tokens);
    const release = this.#reserve(size);
    try {
      const params = embeddingParams(size, pooling);
      const handle = await awaitAddon(() =>
        addon.contextCreate({ model: this.#model.handle, draftModel: null, params, onEvents: () => undefined }),
      );
      this.#contexts.set(pooling, { size, handle });
      return handle;
    } finally {
      release();
    }
  }

  /** Sets aside what a context takes, while it is made. */
  #reserve(size: number): () => void {
    const { memory } = this.#model;
    if (memory === undefined || memory.placement.devices.length > 0) return () => undefined;
    return reserve([{ where: ramMemory, bytes: embeddingBytes(memory.shape, size) }]);
  }

  /** @throws LlamaError `INSUFFICIENT_MEMORY` before anything is allocated */
  #sizeThatFits(tokens: number): number {
    const size = contextSizeFor(tokens, this.#model.info.contextLength);
    const { memory } = this.#model;
    // On GPUs the largest part is the devices', whose allocations fail without harm.
    if (memory === undefined || memory.placement.devices.length > 0) return size;
    const { shape, staysMapped, mappedBytes } = memory;
    const availableBytes = contextBudget(availableMemory(), staysMapped ? 0 : mappedBytes);
    const fitting = [size, tokens].find((count) => embeddingBytes(shape, count) <= availableBytes);
    if (fitting !== undefined) return fitting;
    const neededBytes = embeddingBytes(shape, tokens);
    throw new LlamaError(
      "INSUFFICIENT_MEMORY",
      `An embedding of a text of ${tokens} tokens takes ${gigabytes(neededBytes)}, but ${gigabytes(availableBytes)} ` +
        `are available for it; embed shorter texts`,
      { details: { promptTokens: tokens, neededBytes, availableBytes } },
    );
  }

  #resolvePooling(pooling: Pooling): Pooling {
    if (pooling !== "default") return pooling;
    const { metadata, info } = this.#model;
    // llama.cpp's numbers: 0 is none, 1 mean, 2 the first token's, 3 the last token's.
    return ["1", "2", "3"].includes(metadata[`${info.architecture}.pooling_type`] ?? "") ? "default" : "mean";
  }
}

/** A power of two, so that texts of growing length do not remake the context each time. */
function contextSizeFor(tokens: number, contextLength: number): number {
  const size = Math.max(smallestContext, 2 ** Math.ceil(Math.log2(tokens)));
  return contextLength > 0 ? Math.max(tokens, Math.min(size, contextLength)) : size;
}

/** A whole text is computed at once, as models for embeddings look at it in both directions. */
function embeddingParams(size: number, pooling: Pooling): Parameters<Model["addon"]["contextCreate"]>[0]["params"] {
  return {
    contextSize: size,
    sequences: embeddingSequences,
    batchSize: size,
    microBatchSize: size,
    threads: 0,
    batchThreads: 0,
    kvTypeK: "f16",
    kvTypeV: "f16",
    flashAttention: "auto",
    offloadKv: true,
    queueSize: 0,
    packetIntervalMs: 0,
    ramCacheBytes: 0,
    ropeFrequencyBase: 0,
    ropeFrequencyScale: 0,
    embeddings: true,
    pooling,
  };
}

export function toUnitLength(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const value of vector) sum += value * value;
  const length = Math.sqrt(sum);
  return length > 0 ? vector.map((value) => value / length) : vector;
}
