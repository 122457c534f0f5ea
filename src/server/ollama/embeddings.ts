import { z } from "zod";

import { plainRoute } from "../dialect.js";
import { maybe } from "../http/schema.js";
import { nanoseconds } from "./answers.js";
import { keepAlive, requestOptions, toKeepMs } from "./requests.js";

const mostTexts = 2048;
const common = { model: z.string(), keep_alive: maybe(keepAlive), options: maybe(requestOptions) };

const embedAnswer = z.strictObject({
  model: z.string(),
  embeddings: z.array(z.array(z.number())),
  total_duration: z.int(),
  load_duration: z.int(),
  prompt_eval_count: z.int(),
});

const embed = plainRoute({
  method: "POST",
  path: "/api/embed",
  summary: "Vectors of texts, each of length 1; without texts the model is only loaded",
  anyContentType: true,
  body: z.strictObject({
    ...common,
    input: maybe(z.union([z.string(), z.array(z.string()).max(mostTexts)])),
    truncate: maybe(z.boolean()),
    dimensions: maybe(z.int().min(0)).meta({ description: "Zero for the model's own" }),
  }),
  answer: embedAnswer,
  problems: ["context_length_exceeded"],
  async handle({ body, signal, note }, services): Promise<z.output<typeof embedAnswer>> {
    const began = performance.now();
    const input = body.input ?? "";
    const isList = typeof input !== "string";
    const texts = typeof input !== "string" ? input : input === "" ? [] : [input];
    const { model, vectors, promptTokens, loadMs } = await services.embed(
      body.model,
      {
        ...{
          texts,
          param: "input",
          isList,
          dimensions: body.dimensions === 0 ? undefined : (body.dimensions ?? undefined),
        },
        ...{ truncates: body.truncate ?? true, keepMs: toKeepMs(body.keep_alive) },
      },
      signal,
    );
    note({ model, promptTokens });
    return {
      model,
      embeddings: vectors.map((vector) => Array.from(vector)),
      total_duration: nanoseconds(performance.now() - began),
      load_duration: nanoseconds(loadMs),
      prompt_eval_count: promptTokens,
    };
  },
});

const oneEmbedding = plainRoute({
  method: "POST",
  path: "/api/embeddings",
  summary: "The vector of one text, of any length, as clients asked for it before /api/embed",
  anyContentType: true,
  body: z.strictObject({ ...common, prompt: maybe(z.string()) }),
  answer: z.strictObject({ embedding: z.array(z.number()) }),
  async handle({ body, signal, note }, services) {
    const { prompt, keep_alive: kept } = body;
    const texts = prompt === undefined || prompt === null || prompt === "" ? [] : [prompt];
    const request = {
      ...{ texts, param: "prompt", isList: false, dimensions: undefined },
      ...{ truncates: true, keepMs: toKeepMs(kept), normalizes: false },
    };
    const { vectors, model, promptTokens } = await services.embed(body.model, request, signal);
    note({ model, promptTokens });
    return { embedding: Array.from(vectors[0] ?? []) };
  },
});

export const embeddingRoutes = [embed, oneEmbedding];
