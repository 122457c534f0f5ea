import type { EventLog } from "./event-log.js";
import type { GeneratedToken, GenerationEvent, GenerationResult } from "./result.js";

/** What drives a generation; made by {@link GenerationRun}. */
export interface GenerationSource {
  readonly result: Promise<GenerationResult>;
  readonly log: EventLog<GenerationEvent>;
  cancel(): void;
  tokenText(token: number): string;
}

/**
 * One request in progress. Await it for the result, iterate it for the text as it comes, or both: any number of readers
 * see everything from the start.
 *
 * Leaving a loop early (`break`, `return`, `throw`) cancels the request, for every reader; awaiting it then gives what
 * was generated so far, with `finishReason: "cancelled"`. Only an aborted `signal` and errors reject. A rejection nobody
 * awaits is not reported as unhandled, since a program may well only iterate or only use `onToken`. As with a promise,
 * returning it from an `async` function awaits it.
 */
export class Generation implements PromiseLike<GenerationResult>, AsyncIterable<string> {
  readonly #source: GenerationSource;

  constructor(source: GenerationSource) {
    this.#source = source;
  }

  then<A = GenerationResult, B = never>(
    onFulfilled?: ((result: GenerationResult) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#source.result.then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<GenerationResult | B> {
    return this.#source.result.catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<GenerationResult> {
    return this.#source.result.finally(onFinally);
  }

  /** Ends the request; it resolves with what was generated so far. Does nothing once it has ended. */
  cancel(): void {
    this.#source.cancel();
  }

  /** Pieces of text, none of them empty. */
  [Symbol.asyncIterator](): AsyncIterableIterator<string> {
    return this.#read((event, handOn) => {
      if (event.type === "piece" && event.text !== "") handOn(event.text);
    });
  }

  /** Tokens, each with its own text, and its log-probability where `logprobs` was asked for. */
  tokens(): AsyncIterableIterator<GeneratedToken> {
    return this.#read((event, handOn) => {
      if (event.type === "piece") this.#tokensOf(event).forEach((token) => handOn(token));
    });
  }

  /** Everything: progress of the prompt, pieces, and the result at the end. */
  events(): AsyncIterableIterator<GenerationEvent> {
    return this.#read((event, handOn) => handOn(event));
  }

  #read<V>(select: (event: GenerationEvent, handOn: (value: V) => void) => void): AsyncIterableIterator<V> {
    return this.#source.log.read(select, () => this.#leave());
  }

  /** Whoever leaves a loop finds the request ended, its context free and a session's history complete. */
  async #leave(): Promise<void> {
    this.#source.cancel();
    await this.#source.result.catch(() => undefined);
  }

  #tokensOf(piece: GenerationEvent & { type: "piece" }): GeneratedToken[] {
    return piece.tokens.map((token, index) => {
      const logprob = piece.logprobs?.[index];
      const text = logprob?.text ?? this.#source.tokenText(token);
      return logprob === undefined ? { token, text } : { token, text, logprob };
    });
  }
}
