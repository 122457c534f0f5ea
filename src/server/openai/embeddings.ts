import { z } from "zod";

import { plainRoute } from "../dialect.js";
import { maybe } from "../http/schema.js";

const text = z.string().min(1);
const tokens = z.array(z.int().min(0)).min(1);
const mostTexts = 2048;

const embeddingBody = z.strictObject({
  model: maybe(z.string().min(1)),
  input: z.union([text, z.array(text).min(1).max(mostTexts), tokens, z.array(tokens).min(1).max(mostTexts)]),
  encoding_format: maybe(z.enum(["float", "base64"])),
  dimensions: maybe(z.int().min(1)),
  user: maybe(z.string()),
});

export const embeddingList = z.strictObject({
  object: z.literal("list"),
  data: z.array(
    z.strictObject({
      object: z.literal("embedding"),
      index: z.int(),
      embedding: z.union([z.array(z.number()), z.base64()]),
    }),
  ),
  model: z.string(),
  usage: z.strictObject({ prompt_tokens: z.int(), total_tokens: z.int() }),
});

export const embeddingRoute = plainRoute({
  method: "POST",
  path: "/v1/embeddings",
  summary: "Vectors of texts, each of length 1",
  body: embeddingBody,
  answer: embeddingList,
  problems: ["context_length_exceeded"],
  async handle({ body, signal, note }, services): Promise<z.output<typeof embeddingList>> {
    const { input, dimensions } = body;
    const isList = Array.isArray(input) && typeof input[0] !== "number";
    const texts = (isList ? input : [input]) as (string | number[])[];
    const request = { texts, param: "input", isList, dimensions: dimensions ?? undefined };
    const { model, vectors, promptTokens } = await services.embed(body.model ?? undefined, request, signal);
    note({ model, promptTokens, user: body.user ?? undefined });
    const encode = body.encoding_format === "base64" ? toBase64 : (vector: Float32Array) => Array.from(vector);
    return {
      object: "list",
      data: vectors.map((vector, index) => ({ object: "embedding", index, embedding: encode(vector) })),
      model,
      usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
    };
  },
});

/** Of the numbers' bytes, little-endian as on every machine that the addon is built for. */
function toBase64({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}
