import { z } from "zod";

import type { Dialect } from "../dialect.js";
import { generationRoute, plainRoute } from "../dialect.js";
import { eventStream, sse } from "../http/event-stream.js";
import type { Problem, ProblemCode } from "../http/problem.js";
import { messageAnswer, messageEvent, MessageStream, toMessageAnswer } from "./message-answer.js";
import { countBody, messageBody, toChatPrompt, toMessageRequest } from "./message-request.js";

const types: Partial<Readonly<Record<ProblemCode, string>>> = {
  unauthorized: "authentication_error",
  host_not_allowed: "permission_error",
  not_found: "not_found_error",
  model_not_found: "not_found_error",
  body_too_large: "request_too_large",
  queue_full: "rate_limit_error",
  internal: "api_error",
  loading: "overloaded_error",
  draining: "overloaded_error",
  time_limit: "timeout_error",
  insufficient_memory: "overloaded_error",
};

const problemBody = z.strictObject({
  type: z.literal("error"),
  error: z.strictObject({ type: z.string(), message: z.string() }),
  request_id: z.string(),
});

function toProblemBody({ code, message }: Problem, requestId: string): object {
  return { type: "error", error: { type: types[code] ?? "invalid_request_error", message }, request_id: requestId };
}

const create = generationRoute({
  path: "/v1/messages",
  summary: "Answers a conversation",
  body: messageBody,
  answer: messageAnswer,
  chunk: z.discriminatedUnion("type", [...messageEvent.options, problemBody]),
  prepare: (body) => ({
    request: toMessageRequest(body),
    streams: body.stream === true,
    answer: toMessageAnswer,
    stream: {
      ...eventStream,
      keepAlive: sse({ type: "ping" }, "ping"),
      encoder: (info) => new MessageStream(info),
      error: (error) => sse(error, "error"),
    },
  }),
});

const count = plainRoute({
  method: "POST",
  path: "/v1/messages/count_tokens",
  summary: "Counts the tokens of a conversation",
  body: countBody,
  answer: z.strictObject({ input_tokens: z.int() }),
  handle: async ({ body, signal }, services) => ({
    input_tokens: await services.countTokens(body.model ?? undefined, toChatPrompt(body), signal),
  }),
});

export const anthropic: Dialect = {
  name: "Anthropic",
  owns: (path) => path === "/v1/messages" || path.startsWith("/v1/messages/"),
  error: (problem, requestId) => ({ body: toProblemBody(problem, requestId) }),
  problem: problemBody,
  headers: (requestId) => ({ "request-id": requestId }),
  routes: [create, count],
};
