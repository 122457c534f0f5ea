import { z } from "zod";

import type { Dialect } from "../dialect.js";
import { plainRoute } from "../dialect.js";
import { jsonObject, maybe } from "../http/schema.js";
import { messages, toChatPrompt, toolFields } from "../openai/chat-messages.js";
import { openai } from "../openai/dialect.js";

const model = maybe(z.string().min(1));
const token = z.int().min(0);
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text, or bytes where a token is only a part of a character. */
function toPiece(bytes: Uint8Array): string | number[] {
  try {
    return decoder.decode(bytes);
  } catch {
    return [...bytes];
  }
}

const tokenize = plainRoute({
  method: "POST",
  path: "/tokenize",
  summary: "The tokens of a text",
  body: z.strictObject({
    model,
    content: z.string(),
    add_special: maybe(z.boolean()),
    parse_special: maybe(z.boolean()),
    with_pieces: maybe(z.boolean()),
  }),
  answer: z.strictObject({
    tokens: z.array(z.union([token, z.strictObject({ id: token, piece: z.union([z.string(), z.array(z.int())]) })])),
  }),
  async handle({ body, signal }, services) {
    const options = { addSpecial: body.add_special ?? false, parseSpecial: body.parse_special ?? true };
    const tokens = await services.tokenize(body.model ?? undefined, body.content, options, signal);
    if (body.with_pieces !== true) return { tokens: tokens.map(({ id }) => id) };
    return { tokens: tokens.map(({ id, bytes }) => ({ id, piece: toPiece(bytes) })) };
  },
});

const detokenize = plainRoute({
  method: "POST",
  path: "/detokenize",
  summary: "The text of tokens",
  body: z.strictObject({ model, tokens: z.array(token) }),
  answer: z.strictObject({ content: z.string() }),
  handle: async ({ body, signal }, services) => ({
    content: await services.detokenize(body.model ?? undefined, body.tokens, signal),
  }),
});

const applyTemplate = plainRoute({
  method: "POST",
  path: "/apply-template",
  summary: "The prompt that a conversation becomes",
  body: z.strictObject({ model, messages, ...toolFields, chat_template_kwargs: maybe(jsonObject) }),
  answer: z.strictObject({ prompt: z.string() }),
  handle: async ({ body, signal }, services) => ({
    prompt: await services.renderChat(
      body.model ?? undefined,
      toChatPrompt(body.messages, body, body.chat_template_kwargs),
      signal,
    ),
  }),
});

export const llamacpp: Dialect = {
  name: "llama.cpp",
  owns: (path) => ["/tokenize", "/detokenize", "/apply-template"].includes(path),
  error: (problem, requestId) => openai.error(problem, requestId), // its errors are OpenAI's
  problem: openai.problem,
  routes: [tokenize, detokenize, applyTemplate],
};
