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

export interface GenerationResult {
  readonly text: string;
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
  /** The seed that was used: with it and the same options the request can be repeated. */
  readonly seed: number;
  /** Times that `contextShift` dropped old tokens to make room. */
  readonly contextShifts: number;
}

/** What a request gets at a time; the texts of all pieces together are the result's text. */
export interface GenerationPiece {
  /** Whole characters; "" while they may be the beginning of a stop string. */
  readonly text: string;
  readonly tokens: readonly number[];
  readonly logprobs?: readonly TokenLogprob[];
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

export function toUsage(end: NativeGenerationEnd): Usage {
  return {
    promptTokens: end.promptTokens,
    cachedTokens: end.cachedTokens,
    completionTokens: end.generatedTokens,
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
