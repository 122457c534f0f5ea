import { z } from "zod";

import type { Problem, ProblemCode } from "../http/problem.js";

const types: Partial<Readonly<Record<ProblemCode, string>>> = {
  queue_full: "rate_limit_error",
  internal: "server_error",
  loading: "server_error",
  draining: "server_error",
  time_limit: "server_error",
  insufficient_memory: "server_error",
};

const codes: Partial<Readonly<Record<ProblemCode, string>>> = {
  unauthorized: "invalid_api_key",
  queue_full: "rate_limit_exceeded",
};

export const problemBody = z.strictObject({
  error: z.strictObject({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string(),
    n_prompt_tokens: z.int().optional(),
    n_ctx: z.int().optional(),
  }),
});

/** An error as OpenAI tells it; the counts of a prompt that is too long as llama.cpp does. */
export function toProblemBody({ code, message, param, details }: Problem): z.input<typeof problemBody> {
  const { promptTokens, contextSize } = details;
  const isTooLong = code === "context_length_exceeded";
  const counts = isTooLong ? { n_prompt_tokens: Number(promptTokens), n_ctx: Number(contextSize) } : {};
  return {
    error: { message, type: types[code] ?? "invalid_request_error", param, code: codes[code] ?? code, ...counts },
  };
}
