import { z } from "zod";

import type { PlainRoute } from "../dialect.js";
import { plainRoute } from "../dialect.js";
import type { ModelFacts } from "../models/model-facts.js";
import { seconds } from "./answer-parts.js";

export const modelSchema = z.strictObject({
  id: z.string(),
  object: z.literal("model"),
  created: z.int(),
  owned_by: z.string(),
  /** Facts of llama.cpp's server; null before the model is loaded. */
  meta: z
    .strictObject({
      n_ctx: z.int(),
      n_ctx_train: z.int(),
      n_params: z.int(),
      size: z.int(),
      n_embd: z.int(),
      n_vocab: z.int(),
    })
    .nullable(),
});

export function toModel({ id, createdMs, details }: ModelFacts): z.output<typeof modelSchema> {
  return {
    id,
    object: "model",
    created: seconds(createdMs),
    owned_by: "llama-native",
    meta: details && {
      n_ctx: details.contextSize,
      n_ctx_train: details.trainedContextSize,
      n_params: details.parameterCount,
      size: details.sizeBytes,
      n_embd: details.embeddingLength,
      n_vocab: details.vocabularySize,
    },
  };
}

export const modelRoutes: readonly PlainRoute[] = [
  plainRoute({
    method: "GET",
    path: "/v1/models",
    summary: "The models there are",
    body: undefined,
    answer: z.strictObject({ object: z.literal("list"), data: z.array(modelSchema) }),
    handle: (_, services) => ({ object: "list", data: services.models().map(toModel) }),
  }),
  plainRoute({
    method: "GET",
    path: "/v1/models/:id{.+}",
    summary: "One model",
    body: undefined,
    answer: modelSchema,
    handle: async ({ param }, services) => toModel(await services.model(param("id"))),
  }),
];
