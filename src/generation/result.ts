import type { NativeGenerationEnd } from "../native/contract.js";

/** Why a generation ended. `cancelled` is a result too: what had been generated until then. */
export type FinishReason =
  /** The model ended its answer, or a stop string or stop token came up. */
  | "stop"
  /** `maxTokens` was reached, or the context was full. */
  | "length"
  /** The model asks for tools to be called. */
  | "tool_calls"
  /** `cancel()` was called, or a loop over the generation was left. */
  | "cancelled";

/** Tokens counted. */
export interface Usage {
  readonly promptTokens: number;
  /** Prompt tokens that were still in the KV cache and not evaluated again. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Of these, what the model thought before it answered, with its marks; 0 where that is not told apart. */
  readonly thinkingTokens: number;
  readonly totalTokens: number;
  /** Tokens that `promptLookup` and the draft model drafted, and how many of them came true. */
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
}

/** Milliseconds; rates in tokens a second, 0 where there was nothing to measure. */
export interface Timings {
  /** From the request to the start of its evaluation. */
  readonly queueMs: number;
  /** From the request to the first token. */
  readonly firstTokenMs: number;
  readonly promptMs: number;
  readonly generationMs: number;
  readonly totalMs: number;
  /** Over the prompt tokens that were evaluated, cached ones not counted. */
  readonly promptTokensPerSecond: number;
  readonly tokensPerSecond: number;
}

export interface TokenProbability {
  readonly token: number;
  /** The token's own text; a part of a character becomes U+FFFD (see `bytes`). */
  readonly text: string;
  readonly bytes: Uint8Array;
  /** Natural logarithm of the probability under the model itself, before any sampling option. */
  readonly logprob: number;
}

export interface TokenLogprob extends TokenProbability {
  /** The likeliest tokens of this step, in descending order; as many as `logprobs` asked for. */
  readonly top: readonly TokenProbability[];
}

/** A call of a tool that the model wrote. It may stand in an assistant message's `toolCalls` as it is. */
export interface GeneratedToolCall {
  readonly id: string;
  readonly name: string;
  /** Of a call that was cut, or is no JSON in the end, the members that are whole. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** The arguments as the model wrote them, without blanks outside of strings. */
  readonly json: string;
  /** Whether `json` is JSON of an object. */
  readonly isWhole: boolean;
}

/** A call as it comes; `index` counts the answer's calls from 0, and none begins before the last one's end. */
export type ToolCallPart =
  | { readonly type: "call"; readonly index: number; readonly id: string; readonly name: string }
  /** A piece of the arguments' JSON. */
  | { readonly type: "arguments"; readonly index: number; readonly text: string }
  | { readonly type: "callEnd"; readonly index: number; readonly isWhole: boolean };

export interface GenerationResult {
  /** Without the calls of tools, where there are `tools`, and without `thinking`. */
  readonly text: string;
  /** What the model thought before it answered, where its chat template knows thinking and `thinkingInText` was not asked for. */
  readonly thinking?: string;
  readonly finishReason: FinishReason;
  /** The stop string that ended the text (it is not part of it), or null. */
  readonly stopString: string | null;
  /** The token that ended the generation (it is not among `tokens`), or null. */
  readonly stopToken: number | null;
  readonly tokens: Int32Array;
  readonly usage: Usage;
  readonly timings: Timings;
  /** One entry a token where `logprobs` was asked for. */
  readonly logprobs?: readonly TokenLogprob[];
  /** Where `tools` were given. */
  readonly toolCalls?: readonly GeneratedToolCall[];
  /** The seed that was used: with it and the same options the request can be repeated. */
  readonly seed: number;
  /** Times that `contextShift` dropped old tokens to make room. */
  readonly contextShifts: number;
}

/** What a request gets at a time; the texts of all pieces together are the result's text. */
export interface GenerationPiece {
  /** Whole characters; "" while they may be the beginning of a stop string. */
  readonly text: string;
  /** A piece of what the model thinks; the text of such a piece is "". */
  readonly thinking?: string;
  /** Tokens that came with it; not more than once where they are of a text and of calls. */
  readonly tokens: readonly number[];
  readonly logprobs?: readonly TokenLogprob[];
  /** Where `tools` were given, or thoughts are told apart: where the text begins in all that the model wrote. */
  readonly at?: number;
  /** Where `tools` were given and the model calls one: the text of such a piece is "". */
  readonly toolCall?: ToolCallPart;
}

export type GenerationEvent =
  /** The prompt is being evaluated; `processedTokens` of its tokens are in the KV cache. */
  | { readonly type: "prompt"; readonly processedTokens: number; readonly promptTokens: number }
  | ({ readonly type: "piece" } & GenerationPiece)
  /** The last event. */
  | { readonly type: "end"; readonly result: GenerationResult };

/** One token, as `Generation.tokens()` gives it. */
export interface GeneratedToken {
  readonly token: number;
  /** The token's own text; a part of a character becomes U+FFFD. To show text, iterate the generation itself. */
  readonly text: string;
  /** Where `logprobs` was asked for. */
  readonly logprob?: TokenLogprob;
}

export function toUsage(end: NativeGenerationEnd, thinkingTokens: number): Usage {
  return {
    promptTokens: end.promptTokens,
    cachedTokens: end.cachedTokens,
    completionTokens: end.generatedTokens,
    thinkingTokens,
    totalTokens: end.promptTokens + end.generatedTokens,
    draftedTokens: end.draftedTokens,
    acceptedTokens: end.acceptedTokens,
  };
}

export function toTimings(end: NativeGenerationEnd): Timings {
  const { queueMs, firstTokenMs, promptMs, generationMs, totalMs } = end;
  return {
    queueMs,
    firstTokenMs,
    promptMs,
    generationMs,
    totalMs,
    promptTokensPerSecond: perSecond(end.promptTokens - end.cachedTokens, promptMs),
    // Counted from the first token on: one token fewer, but for the unseen one that ended the answer.
    tokensPerSecond: perSecond(end.generatedTokens - (end.stopToken === null ? 1 : 0), generationMs),
  };
}

function perSecond(tokens: number, milliseconds: number): number {
  return milliseconds > 0 && tokens > 0 ? (tokens * 1000) / milliseconds : 0;
}
