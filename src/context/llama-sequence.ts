import { DisposedError, InvalidOptionError, LlamaError } from "../errors.js";
import { awaitAddon, captureOrigin } from "../native/errors.js";
import type { RulesFor } from "../validate.js";
import { anInteger, oneOf, readOptions, withDefault } from "../validate.js";
import type { Engine } from "./engine.js";

export interface EvaluateOptions {
  /** Whose logits to return: the last token's (default), every token's row by row, or none. */
  logits?: "last" | "all" | "none" | undefined;
}

const evaluateRules = {
  logits: withDefault(oneOf("last", "all", "none"), "last"),
} satisfies RulesFor<EvaluateOptions>;

/**
 * One sequence of tokens in a context, evaluated by hand: for own samplers, scoring and experiments. It takes one of the
 * context's places until it is disposed. Calls on one sequence run in the order they were made, each after the one
 * before has ended.
 */
export class LlamaSequence {
  readonly #engine: Engine;
  readonly #sequence: number;
  readonly #tokens: number[];
  #logits: Float32Array | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #disposal: Promise<void> | undefined;

  private constructor(engine: Engine, sequence: number, tokens: readonly number[]) {
    this.#engine = engine;
    this.#sequence = sequence;
    this.#tokens = [...tokens];
  }

  /** Made by {@link LlamaContext.sequence}. */
  static async create(engine: Engine): Promise<LlamaSequence> {
    const { addon } = engine.model;
    const sequence = await awaitAddon(() => addon.sequenceCreate({ context: engine.handle }));
    return new LlamaSequence(engine, sequence, []);
  }

  /** The tokens evaluated so far (a copy). */
  get tokens(): Int32Array {
    return Int32Array.from(this.#tokens);
  }

  get length(): number {
    return this.#tokens.length;
  }

  /** What the last `evaluate` returned: one number a vocabulary entry, row by row; null after "none". */
  get logits(): Float32Array | null {
    return this.#logits;
  }

  /** Appends tokens. Rejects with `CONTEXT_OVERFLOW` where the context has no room for them. */
  async evaluate(tokens: Int32Array | readonly number[], options?: EvaluateOptions): Promise<Float32Array | null> {
    const { logits } = readOptions("evaluate", evaluateRules, options);
    // A copy, as the call may wait its turn while the caller changes the array.
    const ids = Int32Array.from(this.#engine.model.tokenizer.checkTokens(tokens, "tokens"));
    if (ids.length === 0) throw new InvalidOptionError("tokens", "at least one token", tokens);
    return this.#inOrder(async (call) => {
      this.#logits = await this.#engine.model.addon.sequenceEvaluate({ ...call, tokens: ids, logits });
      for (const token of ids) this.#tokens.push(token);
      return this.#logits;
    });
  }

  /** A second sequence with the same tokens; their KV cache is shared, not copied. */
  async fork(): Promise<LlamaSequence> {
    return this.#inOrder(async (call) => {
      const sequence = await this.#engine.model.addon.sequenceFork(call);
      const fork = new LlamaSequence(this.#engine, sequence, this.#tokens);
      fork.#logits = this.#logits;
      return fork;
    });
  }

  /** Keeps the first `length` tokens. */
  async truncate(length: number): Promise<void> {
    anInteger(0)(length, "length");
    return this.#inOrder(async (call) => {
      if (length > this.#tokens.length) {
        throw new InvalidOptionError("length", `at most the sequence's length (${this.#tokens.length})`, length);
      }
      await this.#engine.model.addon.sequenceTruncate({ ...call, length });
      if (length < this.#tokens.length) this.#logits = null;
      this.#tokens.length = length;
    });
  }

  /** The sequence's state, for {@link LlamaSequence.restore} in any context of the same model. */
  async save(): Promise<Uint8Array> {
    return this.#inOrder((call) => this.#engine.model.addon.sequenceSave(call));
  }

  /** Replaces the content by a saved one. */
  async restore(state: Uint8Array): Promise<void> {
    if (!(state instanceof Uint8Array)) throw new InvalidOptionError("state", "a Uint8Array", state);
    return this.#inOrder(async (call) => {
      const tokens = await this.#engine.model.addon.sequenceRestore({ ...call, state });
      this.#tokens.length = 0;
      for (const token of tokens) this.#tokens.push(token);
      this.#logits = null;
    });
  }

  /** Gives the place in the context back. Idempotent; calls made before it still run. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#last.then(async () => {
      if (this.#engine.disposed) return; // went with its context
      const { addon } = this.#engine.model;
      await awaitAddon(() => addon.sequenceDispose({ context: this.#engine.handle, sequence: this.#sequence }));
    });
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #inOrder<T>(work: (call: { context: Engine["handle"]; sequence: number }) => Promise<T>): Promise<T> {
    if (this.#disposal !== undefined) throw new DisposedError("The sequence");
    const { handle } = this.#engine;
    const origin = captureOrigin(this.#inOrder);
    const run = this.#last.then(() =>
      awaitAddon(async () => {
        if (this.#engine.disposed) throw new DisposedError("The context");
        return work({ context: handle, sequence: this.#sequence });
      }, origin),
    );
    this.#last = run.catch((error: unknown) => this.#lose(error));
    return run;
  }

  /** Where a failure took something with it, its error says what is left. */
  #lose(error: unknown): void {
    const length = error instanceof LlamaError ? error.details["length"] : undefined;
    if (typeof length !== "number" || length >= this.#tokens.length) return;
    this.#tokens.length = length;
    this.#logits = null;
  }
}
