import { z } from "zod";

import { Problem } from "../http/problem.js";
import { jsonObject, maybe, refused } from "../http/schema.js";
import type { AnswerFormat, InferenceRequest } from "../inference/request.js";
import { messages, toChatPrompt, toolFields } from "./chat-messages.js";
import {
  assertOneFormat,
  compact,
  effortField,
  extensionFields,
  samplingFields,
  toOptions,
  toThinking,
} from "./request-fields.js";

const tokens = z.int().min(1).max(0x7fffffff);

export const streamOptions = z.strictObject({
  include_usage: maybe(z.boolean()),
  include_obfuscation: refused("padding against eavesdroppers", false),
});

/** @throws Problem as OpenAI's own server does */
export function assertStreams({
  stream,
  stream_options: options,
}: {
  stream?: unknown;
  stream_options?: unknown;
}): void {
  if (options === undefined || options === null || stream === true) return;
  const message = "stream_options: Expected stream to be true with it";
  throw new Problem("invalid_request", message, { param: "stream_options" });
}

/** Fields of which every OpenAI route says the same. */
export const commonFields = {
  model: maybe(z.string().min(1)),
  user: maybe(z.string()),
  metadata: maybe(z.record(z.string(), z.string())),
  safety_identifier: maybe(z.string()),
  prompt_cache_key: maybe(z.string()),
  stream: maybe(z.boolean()),
  store: refused("answers are not stored", false),
  service_tier: refused("there is one tier", "auto", "default"),
  moderation: refused("use the server's content filter"),
};

/** OpenAI's models read it; here the grammar of the schema is all that the answer's form comes from. */
export const notShown = maybe(z.string()).meta({ description: "Accepted: not shown to the model" });

const schemaFormat = z.strictObject({
  type: z.literal("json_schema"),
  json_schema: z.strictObject({
    name: z.string().min(1),
    description: notShown,
    schema: maybe(jsonObject),
    strict: maybe(z.boolean()),
  }),
});

export const chatBody = z.strictObject({
  ...commonFields,
  messages,
  ...samplingFields,
  max_tokens: maybe(tokens),
  max_completion_tokens: maybe(tokens),
  n: maybe(z.int().min(1).max(128)),
  stream_options: maybe(streamOptions),
  logprobs: maybe(z.boolean()),
  top_logprobs: maybe(z.int().min(0).max(20)),
  response_format: maybe(
    z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("text") }),
      z.strictObject({ type: z.literal("json_object") }),
      schemaFormat,
    ]),
  ),
  ...toolFields,
  ...extensionFields,
  chat_template_kwargs: maybe(jsonObject),
  modalities: maybe(z.array(z.literal("text", "Not supported: anything but text"))),
  audio: refused("audio"),
  prediction: refused("predicted outputs"),
  prompt_cache_options: refused("prefixes are cached by themselves"),
  prompt_cache_retention: refused("prefixes are cached until their room is needed"),
  reasoning_effort: effortField,
  reasoning_format: maybe(z.enum(["auto", "deepseek", "none"])).meta({
    description: "Accepted: none leaves what the model thinks in the content",
  }),
  verbosity: refused("models here have no such setting"),
  web_search_options: refused("there is no web search"),
  functions: refused("functions is deprecated; use tools"),
  function_call: refused("function_call is deprecated; use tool_choice"),
});

export type ChatBody = z.output<typeof chatBody>;

export function toChatRequest(body: ChatBody): InferenceRequest {
  assertStreams(body);
  return {
    model: body.model ?? undefined,
    prompts: [
      {
        ...toChatPrompt(body.messages, body, body.chat_template_kwargs),
        ...toThinking(body.reasoning_effort, "reasoning_effort"),
        thinkingInText: body.reasoning_format === "none",
      },
    ],
    n: body.n ?? 1,
    options: { ...toOptions(body), ...compact({ maxTokens: maxTokens(body), logprobs: logprobs(body) }) },
    format: toFormat(body),
    echo: false,
    countsPrompt: false,
    user: body.safety_identifier ?? body.user ?? undefined,
    metadata: body.metadata ?? undefined,
  };
}

function maxTokens({ max_tokens: old, max_completion_tokens: current }: ChatBody): number | undefined {
  if (typeof old === "number" && typeof current === "number" && old !== current) {
    const message = "max_tokens: Expected no other value than that of max_completion_tokens, which replaces it";
    throw new Problem("invalid_request", message, { param: "max_tokens" });
  }
  return current ?? old ?? undefined;
}

function logprobs({ logprobs: wanted, top_logprobs: top }: ChatBody): boolean | number {
  if (typeof top === "number" && wanted !== true) {
    throw new Problem("invalid_request", "top_logprobs: Expected logprobs to be true with it", {
      param: "top_logprobs",
    });
  }
  return wanted === true ? (top ?? 0) : false;
}

function toFormat(body: ChatBody): AnswerFormat {
  const { response_format: format, json_schema: extension, grammar } = body;
  const response_format = format?.type === "text" ? undefined : format;
  assertOneFormat({ response_format, json_schema: extension, grammar });
  if (extension !== undefined && extension !== null) return { type: "schema", schema: extension, param: "json_schema" };
  switch (format?.type) {
    case "json_object":
      return { type: "json" };
    case "json_schema": {
      const { schema } = format.json_schema;
      const param = "response_format.json_schema.schema";
      return schema === undefined || schema === null ? { type: "json" } : { type: "schema", schema, param };
    }
    default:
      return { type: "text" };
  }
}
