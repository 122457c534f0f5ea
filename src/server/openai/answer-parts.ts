import { z } from "zod";

import type { AnswerEnd, RequestUsage, Timings, TokenLogprob, TokenProbability } from "../inference/events.js";
import { finiteLogprob } from "../inference/events.js";

export const usageSchema = z.strictObject({
  prompt_tokens: z.int().min(0),
  completion_tokens: z.int().min(0),
  total_tokens: z.int().min(0),
  prompt_tokens_details: z.strictObject({ cached_tokens: z.int().min(0), audio_tokens: z.literal(0) }),
  completion_tokens_details: z.strictObject({
    reasoning_tokens: z.int().min(0),
    audio_tokens: z.literal(0),
    accepted_prediction_tokens: z.literal(0),
    rejected_prediction_tokens: z.literal(0),
  }),
});

export function toUsage(usage: RequestUsage): z.output<typeof usageSchema> {
  const { promptTokens, cachedTokens, completionTokens, thinkingTokens } = usage;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: thinkingTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

/** As llama.cpp's server has them; of the last answer where there are several. */
export const timingsSchema = z.strictObject({
  queue_ms: z.number().min(0),
  first_token_ms: z.number().min(0),
  prompt_n: z.int().min(0),
  cache_n: z.int().min(0),
  prompt_ms: z.number().min(0),
  prompt_per_second: z.number().min(0),
  predicted_n: z.int().min(0),
  predicted_ms: z.number().min(0),
  predicted_per_second: z.number().min(0),
  total_ms: z.number().min(0),
});

export function toTimings({
  usage,
  timings,
}: {
  usage: AnswerEnd["usage"];
  timings: Timings;
}): z.output<typeof timingsSchema> {
  return {
    queue_ms: rounded(timings.queueMs),
    first_token_ms: rounded(timings.firstTokenMs),
    prompt_n: usage.promptTokens - usage.cachedTokens,
    cache_n: usage.cachedTokens,
    prompt_ms: rounded(timings.promptMs),
    prompt_per_second: rounded(timings.promptTokensPerSecond),
    predicted_n: usage.completionTokens,
    predicted_ms: rounded(timings.generationMs),
    predicted_per_second: rounded(timings.tokensPerSecond),
    total_ms: rounded(timings.totalMs),
  };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

const topLogprobSchema = z.strictObject({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) });
export const tokenLogprobSchema = z.strictObject({
  ...topLogprobSchema.shape,
  top_logprobs: z.array(topLogprobSchema),
});

export function toTokenLogprob(token: TokenLogprob): z.output<typeof tokenLogprobSchema> {
  return { ...toTopLogprob(token), top_logprobs: token.top.map(toTopLogprob) };
}

function toTopLogprob(token: TokenProbability): z.output<typeof topLogprobSchema> {
  return { token: token.text, logprob: finiteLogprob(token), bytes: [...token.bytes] };
}

/** Seconds since 1970. */
export function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}

/** Tells which software made an answer. */
export const fingerprint = "llama-native";
