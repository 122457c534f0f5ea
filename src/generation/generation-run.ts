import { TextDecoder } from "node:util";

import { LlamaError } from "../errors.js";
import type {
  NativeErrorShape,
  NativeEvent,
  NativeGenerationEnd,
  NativeLogprob,
  NativeTokenLogprob,
} from "../native/contract.js";
import { fromErrorShape, withOrigin } from "../native/errors.js";
import type { Origin } from "../native/errors.js";
import type { AnswerPart, AnswerParser } from "./answer-parser.js";
import { EventLog } from "./event-log.js";
import { Generation } from "./generation.js";
import type {
  FinishReason,
  GeneratedToolCall,
  GenerationEvent,
  GenerationPiece,
  GenerationResult,
  TokenLogprob,
  TokenProbability,
} from "./result.js";
import { toTimings, toUsage } from "./result.js";

/** What a generation goes on from. */
export interface Prompt {
  readonly tokens: Int32Array;
  /** Whether a space at the beginning of the generated text is the prompt's and not handed out. */
  readonly spaceFollows: boolean;
  /** Whether it ends with the beginning of a thought. Default false. */
  readonly thinks?: boolean;
}

export interface RunOptions {
  readonly seed: number;
  readonly logprobs: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. The engine keeps to it from the moment it has the request. */
  readonly timeout?: number | undefined;
  readonly onToken?: ((piece: GenerationPiece) => void) | undefined;
  /** Where the answer may call tools, or begin with thoughts. */
  readonly reader?: AnswerParser | undefined;
  /** Called once, before anybody who awaits the generation goes on. */
  readonly onSettled?: ((result: GenerationResult | undefined) => void) | undefined;
  readonly tokenText: (token: number) => string;
  /** Where the request was made. */
  readonly origin: Origin;
}

/** A token may well be a byte order mark. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const neverStarted: NativeGenerationEnd = {
  reason: "cancelled",
  stopString: null,
  stopToken: null,
  promptTokens: 0,
  cachedTokens: 0,
  generatedTokens: 0,
  queueMs: 0,
  firstTokenMs: 0,
  totalMs: 0,
  promptMs: 0,
  generationMs: 0,
  contextShifts: 0,
  draftedTokens: 0,
  acceptedTokens: 0,
  error: null,
};

const unexplained: NativeErrorShape = {
  code: "DECODE",
  message: "The generation failed without saying why",
  details: {},
  log: null,
};

/** The producing side of a {@link Generation}: takes the engine's events, ends once, in one of three ways. */
export class GenerationRun {
  readonly generation: Generation;
  readonly #options: RunOptions;
  readonly #log = new EventLog<GenerationEvent>();
  readonly #resolve: (result: GenerationResult) => void;
  readonly #reject: (error: unknown) => void;
  readonly #texts: string[] = [];
  readonly #thoughts: string[] = [];
  /** Of all text so far, the calls and thoughts included. */
  #textLength = 0;
  #thinkingTokens = 0;
  #hasAnswered = false;
  readonly #tokens: number[] = [];
  readonly #logprobs: TokenLogprob[] = [];
  readonly #calls: { id: string; name: string; json: string; isWhole: boolean }[] = [];
  readonly #started = performance.now();
  /** Runs until the request is submitted. */
  readonly #timer: NodeJS.Timeout | undefined;
  #promptTokens = 0;
  #promptProcessed = 0;
  #dropsSpace = false;
  /** Stops the request in the engine; undefined until it is submitted there. */
  #stop: (() => void) | undefined;

  constructor(options: RunOptions) {
    this.#options = options;
    const { promise, resolve, reject } = deferred<GenerationResult>();
    this.#resolve = resolve;
    this.#reject = reject;
    promise.catch(() => undefined); // a rejection nobody awaits is meant to be silent
    this.generation = new Generation({
      result: promise,
      log: this.#log,
      cancel: () => this.cancel(),
      tokenText: options.tokenText,
    });
    const { signal, timeout } = options;
    if (timeout !== undefined) this.#timer = setTimeout(() => this.fail(timedOutBefore(timeout)), timeout);
    if (signal?.aborted === true) this.#abort();
    else signal?.addEventListener("abort", this.#abort, { once: true });
  }

  get ended(): boolean {
    return !this.#log.open;
  }

  /** Milliseconds since the request was made. */
  get elapsedMs(): number {
    return performance.now() - this.#started;
  }

  /** From now on the engine has the request, `stop` cancels it there, and its end event will come. */
  submitted(prompt: Prompt, stop: () => void): void {
    clearTimeout(this.#timer);
    this.#promptTokens = prompt.tokens.length;
    this.#dropsSpace = prompt.spaceFollows;
    if (prompt.thinks === true) this.#options.reader?.opened();
    this.#stop = stop;
  }

  /** Ends with what there is: at once before the request is submitted, with the engine's end event after. */
  cancel(): void {
    if (this.ended) return;
    if (this.#stop === undefined) this.#finish(neverStarted, "cancelled");
    else this.#stop();
  }

  fail(error: unknown): void {
    if (this.ended) return;
    const failure = withOrigin(error, this.#options.origin);
    this.#log.fail(failure);
    this.#settle(undefined);
    this.#reject(failure);
  }

  accept(event: NativeEvent): void {
    if (this.ended) return;
    if (event.tokens.length > 0 || event.text !== "") this.#acceptPiece(event);
    else if (event.promptProcessed > this.#promptProcessed) this.#acceptProgress(event.promptProcessed);
    if (event.end === null || this.ended) return;
    const { reason, error } = event.end;
    if (reason === "error") this.fail(this.#failure(error ?? unexplained));
    else this.#finish(event.end, reason);
  }

  /** Who awaits a late answer still gets what there is of it. */
  #failure(shape: NativeErrorShape): LlamaError {
    if (shape.code !== "TIMEOUT") return fromErrorShape(shape);
    const thinking = this.#thoughts.length > 0 ? { thinking: this.#thoughts.join("") } : {};
    return fromErrorShape({ ...shape, details: { ...shape.details, text: this.#texts.join(""), ...thinking } });
  }

  readonly #abort = (): void => {
    const stop = this.#stop;
    // The reason is the caller's own and keeps its own stack; the engine's end event comes later and is ignored.
    this.fail(this.#options.signal?.reason);
    stop?.();
  };

  #acceptProgress(processedTokens: number): void {
    this.#promptProcessed = processedTokens;
    this.#log.append({ type: "prompt", processedTokens, promptTokens: this.#promptTokens });
  }

  #acceptPiece(event: NativeEvent): void {
    const text = this.#ownText(event.text);
    const came = { tokens: event.tokens, ...this.#readLogprobs(event.logprobs) };
    for (const token of event.tokens) this.#tokens.push(token);
    const { reader } = this.#options;
    if (reader === undefined) {
      this.#handOn({ text, ...came });
      return;
    }
    const parts = reader.push(text);
    this.#textLength += text.length;
    if (!this.#hasAnswered) this.#countThoughts(reader.thoughtLength, event.tokens);
    this.#handOnParts(parts, came);
  }

  /** Tokens at the end of the last ones belong to the answer as soon as that has begun. */
  #countThoughts(thoughtLength: number, tokens: readonly number[]): void {
    if (thoughtLength === 0) return;
    let rest = this.#textLength - thoughtLength;
    let answered = 0;
    this.#hasAnswered = rest > 0;
    while (rest > 0 && answered < tokens.length) {
      rest -= this.#options.tokenText(tokens[tokens.length - ++answered] ?? 0).length;
    }
    this.#thinkingTokens = this.#tokens.length - answered;
  }

  /** Tokens come once, with the first part that there is. */
  #handOnParts(parts: readonly AnswerPart[], came: Omit<GenerationPiece, "text">): void {
    const later = this.#options.logprobs ? { tokens: [], logprobs: [] } : { tokens: [] };
    if (parts.length === 0 && came.tokens.length > 0) this.#handOn({ text: "", ...came });
    for (const [index, part] of parts.entries())
      this.#handOn({ ...this.#toPiece(part), ...(index === 0 ? came : later) });
  }

  #toPiece(part: AnswerPart): Pick<GenerationPiece, "text" | "thinking" | "at" | "toolCall"> {
    if (part.type === "text") return { text: part.text, at: part.at };
    if (part.type === "thinking") return { text: "", thinking: part.text };
    if (part.type === "call") this.#calls.push({ id: callId(), name: part.name, json: "", isWhole: false });
    const index = this.#calls.length - 1;
    const call = this.#calls[index];
    if (call === undefined) throw new Error("A call goes on that never began");
    if (part.type === "arguments") call.json += part.text;
    if (part.type === "callEnd") call.isWhole = part.isWhole;
    return { text: "", toolCall: part.type === "call" ? { ...part, index, id: call.id } : { ...part, index } };
  }

  #handOn(piece: GenerationPiece): void {
    if (this.ended) return;
    if (piece.text !== "") this.#texts.push(piece.text);
    if (piece.thinking !== undefined) this.#thoughts.push(piece.thinking);
    this.#log.append({ type: "piece", ...piece });
    if (this.#options.onToken === undefined) return;
    try {
      this.#options.onToken(piece);
    } catch (error) {
      const stop = this.#stop;
      this.fail(error);
      stop?.();
    }
  }

  #ownText(text: string): string {
    if (!this.#dropsSpace || text === "") return text;
    this.#dropsSpace = false;
    return text.startsWith(" ") ? text.slice(1) : text;
  }

  #readLogprobs(logprobs: NativeTokenLogprob[] | null): { logprobs?: TokenLogprob[] } {
    if (!this.#options.logprobs) return {};
    const read = (logprobs ?? []).map((entry) => ({ ...toProbability(entry), top: entry.top.map(toProbability) }));
    this.#logprobs.push(...read);
    return { logprobs: read };
  }

  #finish(end: NativeGenerationEnd, reason: FinishReason): void {
    const { reader } = this.#options;
    const finishReason = reader === undefined ? reason : this.#endAnswer(reader, end, reason);
    if (this.ended) return; // by what a callback threw
    const result: GenerationResult = {
      text: this.#texts.join(""),
      ...(reader?.hasThinking === true ? { thinking: this.#thoughts.join("") } : {}),
      finishReason,
      stopString: end.stopString,
      stopToken: end.stopToken,
      tokens: Int32Array.from(this.#tokens),
      usage: toUsage(end, this.#thinkingTokens),
      timings: toTimings(end),
      ...(this.#options.logprobs ? { logprobs: this.#logprobs } : {}),
      ...(reader?.hasTools === true ? { toolCalls: this.#toolCalls(reader) } : {}),
      seed: this.#options.seed,
      contextShifts: end.contextShifts,
    };
    this.#log.append({ type: "end", result });
    this.#log.end();
    this.#settle(result);
    this.#resolve(result);
  }

  #endAnswer(reader: AnswerParser, { stopString }: NativeGenerationEnd, reason: FinishReason): FinishReason {
    const { parts, isCut } = reader.end(reason !== "stop" || stopString !== null);
    this.#handOnParts(parts, { tokens: [], ...(this.#options.logprobs ? { logprobs: [] } : {}) });
    return this.#calls.length > 0 && !isCut && reason !== "cancelled" ? "tool_calls" : reason;
  }

  #toolCalls(reader: AnswerParser): GeneratedToolCall[] {
    return this.#calls.map((call) => ({ ...call, arguments: reader.toArguments(call.json) }));
  }

  #settle(result: GenerationResult | undefined): void {
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#options.onSettled?.(result);
  }
}

function callId(): string {
  return `call_${globalThis.crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;
}

function timedOutBefore(timeoutMs: number): LlamaError {
  const message = `The request did not end within its timeout of ${timeoutMs} ms; it was not ready to be started`;
  return new LlamaError("TIMEOUT", message, {
    details: { timeoutMs, queueMs: timeoutMs, promptTokens: 0, processedTokens: 0, generatedTokens: 0, text: "" },
  });
}

function toProbability({ token, logprob, bytes }: NativeLogprob & { bytes: Uint8Array }): TokenProbability {
  return { token, text: decoder.decode(bytes), bytes, logprob };
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
