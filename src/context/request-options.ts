import { toUSVString } from "node:util";

import { InvalidOptionError } from "../errors.js";
import type { GenerationPiece } from "../generation/result.js";
import type { Tokenizer } from "../model/tokenizer.js";
import type { NativeGenerateRequest } from "../native/contract.js";
import { interpretSampling, samplingRules } from "../sampling/read-sampling.js";
import type { SamplingOptions } from "../sampling/sampling-options.js";
import type { Check, OptionsOf, RulesFor } from "../validate.js";
import {
  aBoolean,
  aFunction,
  aNonEmptyString,
  anAbortSignal,
  anArrayOf,
  anInteger,
  aNumber,
  optional,
  withDefault,
} from "../validate.js";

/** What every request for text can say, however its prompt is given. */
export interface RequestOptions extends SamplingOptions {
  /** Tokens to generate at most; 0 only evaluates the prompt into the cache. Default: until the context is full. */
  maxTokens?: number | undefined;
  /** Texts that end the generation; they are not part of it. */
  stop?: string | readonly string[] | undefined;
  /** Tokens that end the generation, besides the model's own. */
  stopTokens?: Int32Array | readonly number[] | undefined;
  /** Forbid the tokens that end an answer, so that it goes on to `maxTokens`. Default false. */
  ignoreEos?: boolean | undefined;
  /** Report log-probabilities: true for each token's own, a number (0 to 20) for that many alternatives too. */
  logprobs?: boolean | number | undefined;
  /**
   * When the context is full, drop its oldest tokens (after `keepTokens`) and go on. Default false: end with "length". A chat session
   * then leaves out its oldest turns, too, where the conversation no longer fits.
   */
  contextShift?: boolean | undefined;
  /** Tokens at the beginning that `contextShift` keeps. Default 0. */
  keepTokens?: number | undefined;
  /**
   * Take what the KV cache already has of the prompt. Default true in chat sessions; elsewhere true unless a `seed` is
   * given, since only a request that evaluates its whole prompt, alone in its context, repeats to the last bit.
   */
  cachePrompt?: boolean | undefined;
  /** Render control tokens into the text. Default false. */
  renderSpecial?: boolean | undefined;
  /** Requests of a higher number leave the queue first. Default 0. */
  priority?: number | undefined;
  /**
   * Milliseconds, from this call on and with the time in the queue, after which the request ends wherever it is: it then
   * rejects with `TIMEOUT`. Pieces that came until then have been handed out, and `details.text` of the error has their
   * text. Default: none.
   */
  timeout?: number | undefined;
  /**
   * Draft tokens by looking up what followed the same tokens before, and check them together: faster where the answer
   * repeats its prompt (quotes, edits, code). The samples decide, so drafts never change what is chosen. True drafts up to
   * 24 tokens a step, a number up to that many. Default false.
   */
  promptLookup?: boolean | number | undefined;
  /**
   * Whether the context's draft model drafts tokens, which are checked together. As with `promptLookup` the samples decide,
   * and the engine stops drafting where it does not pay. True drafts up to 16 tokens a step, a number (0 to 64) up to that
   * many. Default true in a context made with a `draftModel`; `INVALID_OPTION` in another.
   */
  draft?: boolean | number | undefined;
  /** Aborting ends the request, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called with each piece as it comes. What it throws cancels the request and is what it rejects with. */
  onToken?: ((piece: GenerationPiece) => void) | undefined;
}

const int32 = { min: -0x80000000, max: 0x7fffffff };
const mostAlternatives = 20;

const aStop: Check<string[]> = (value, name) =>
  (typeof value === "string"
    ? [aNonEmptyString(value, name)]
    : anArrayOf(aNonEmptyString, "a string or an array of strings")(value, name)
  ).map(toUSVString);

export const aTokenList: Check<Int32Array | readonly number[]> = (value, name) => {
  if (value instanceof Int32Array || Array.isArray(value)) return value as Int32Array | readonly number[];
  throw new InvalidOptionError(name, "an Int32Array or an array of token ids", value);
};

const mostDrafted = 64;

/** Tokens to draft a step, as the addon takes them: 0 for off, and so many for `true`. */
const aDraftLength =
  (whenTrue: number): Check<number> =>
  (value, name) => {
    if (typeof value === "boolean") return value ? whenTrue : 0;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= mostDrafted) return value;
    throw new InvalidOptionError(name, `a boolean or an integer from 0 to ${mostDrafted}`, value);
  };

/** As the addon takes it: -1 for none. */
const aLogprobCount: Check<number> = (value, name) => {
  if (typeof value === "boolean") return value ? 0 : -1;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= mostAlternatives) return value;
  throw new InvalidOptionError(name, `a boolean or an integer from 0 to ${mostAlternatives}`, value);
};

export const requestRules = {
  ...samplingRules,
  maxTokens: withDefault(anInteger(0, int32.max), int32.max),
  stop: withDefault(aStop, []),
  stopTokens: withDefault(aTokenList, []),
  ignoreEos: withDefault(aBoolean, false),
  logprobs: withDefault(aLogprobCount, -1),
  contextShift: withDefault(aBoolean, false),
  keepTokens: withDefault(anInteger(0, int32.max), 0),
  cachePrompt: optional(aBoolean),
  renderSpecial: withDefault(aBoolean, false),
  priority: withDefault(anInteger(int32.min, int32.max), 0),
  timeout: optional(aNumber(1, int32.max)),
  promptLookup: withDefault(aDraftLength(24), 0),
  draft: withDefault(aDraftLength(16), -1),
  signal: optional(anAbortSignal),
  onToken: optional(aFunction<(piece: GenerationPiece) => void>()),
} satisfies RulesFor<RequestOptions>;

export type ReadRequestOptions = OptionsOf<typeof requestRules>;

/** A request but for its prompt's tokens, its age and its place in an engine. */
export type RequestPlan = Omit<NativeGenerateRequest, "context" | "id" | "tokens" | "elapsedMs">;

/** Puts checked options in the addon's terms; what depends on the vocabulary is checked here. */
export function interpretRequest(options: ReadRequestOptions, tokenizer: Tokenizer): RequestPlan {
  return {
    maxTokens: options.maxTokens,
    stop: options.stop,
    stopTokens: tokenizer.checkTokens(options.stopTokens, "stopTokens"),
    ignoreEos: options.ignoreEos,
    logprobs: options.logprobs,
    contextShift: options.contextShift,
    keepTokens: options.keepTokens,
    cachePrompt: options.cachePrompt ?? options.seed === undefined,
    renderSpecial: options.renderSpecial,
    priority: options.priority,
    timeoutMs: options.timeout ?? 0,
    promptLookup: options.promptLookup,
    draft: options.draft,
    sampling: interpretSampling(options, tokenizer),
  };
}
