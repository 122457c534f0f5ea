import { z } from "zod";

import type { Dialect, PlainServices, PreparedRequest } from "../dialect.js";
import { generationRoute, plainRoute } from "../dialect.js";
import { maybe, refused } from "../http/schema.js";
import type { Answer, AnswerInfo } from "../inference/events.js";
import type { InferenceRequest } from "../inference/request.js";
import type { ModelFacts } from "../models/model-facts.js";
import type { WithoutPrompt } from "./answers.js";
import { chatAnswer, generateAnswer, ndjson, OllamaStream, toChatAnswer, toGenerateAnswer } from "./answers.js";
import { embeddingRoutes } from "./embeddings.js";
import { chatBody, fixedTemplate, generateBody, toChatRequest, toGenerateRequest, toKeepMs } from "./requests.js";

const chat = generationRoute({
  path: "/api/chat",
  summary: "Answers a conversation",
  anyContentType: true,
  body: chatBody,
  answer: chatAnswer,
  chunk: chatAnswer,
  chunkType: ndjson.contentType,
  prepare: (body) => prepareRequest(body, toChatRequest(body), "chat", toChatAnswer),
});

const generate = generationRoute({
  path: "/api/generate",
  summary: "Answers a prompt; an empty one only loads the model, or unloads it with a keep_alive of 0",
  anyContentType: true,
  body: generateBody,
  answer: generateAnswer,
  chunk: generateAnswer,
  chunkType: ndjson.contentType,
  prepare: (body) => prepareRequest(body, toGenerateRequest(body), "generate", toGenerateAnswer),
});

function prepareRequest(
  body: { stream?: boolean | null | undefined; keep_alive?: number | string | null | undefined },
  request: InferenceRequest,
  kind: "chat" | "generate",
  toAnswer: (answers: readonly Answer[], info: AnswerInfo, withoutPrompt: WithoutPrompt) => unknown,
): PreparedRequest {
  const keepMs = toKeepMs(body.keep_alive);
  // Without a prompt it unloads the model where that is not to be kept, and loads it otherwise.
  const withoutPrompt = keepMs !== undefined && keepMs < 0 ? "unload" : "load";
  return {
    request,
    streams: body.stream !== false,
    keepMs,
    answer: (answers, info) => toAnswer(answers, info, withoutPrompt),
    stream: { ...ndjson, encoder: (info) => new OllamaStream(info, kind, withoutPrompt) },
  };
}

function toDetails({ details }: ModelFacts): object {
  return {
    parent_model: "",
    format: "gguf",
    family: details?.architecture ?? "",
    families: details === null ? null : [details.architecture],
    parameter_size: details === null ? "" : `${(details.parameterCount / 1e9).toPrecision(3)}B`,
    quantization_level: details?.fileType ?? "",
  };
}

function toTag(facts: ModelFacts): Record<string, unknown> {
  return {
    name: facts.id,
    model: facts.id,
    modified_at: new Date(facts.createdMs).toISOString(),
    size: facts.details?.sizeBytes ?? 0,
    digest: "",
    details: toDetails(facts),
  };
}

function toPs(facts: ModelFacts): object {
  const { modified_at: _, ...tag } = toTag(facts);
  // Ollama has no "never" either, and says the year 2318.
  const expires = facts.unloadsAtMs === null ? "2318-01-01T00:00:00.000Z" : new Date(facts.unloadsAtMs).toISOString();
  return {
    ...tag,
    size: facts.details?.estimatedBytes ?? facts.details?.sizeBytes ?? 0,
    expires_at: expires,
    size_vram: facts.details?.deviceBytes ?? 0,
    context_length: facts.details?.contextSize ?? 0,
  };
}

/** Clients of either age send both names, one of them empty. */
function nameOf({
  model,
  name,
}: {
  model?: string | null | undefined;
  name?: string | null | undefined;
}): string | undefined {
  return [model, name].find((given) => typeof given === "string" && given !== "") ?? undefined;
}

/** GGUF's numbers and truth values as such, by which clients find a model's context length. */
function toModelInfo(metadata: Readonly<Record<string, string>>): Record<string, string | number | boolean> {
  const architecture = metadata["general.architecture"] ?? "";
  const isText = (key: string): boolean =>
    !(key.startsWith(`${architecture}.`) || numbers.has(key) || /_token(_id)?$/.test(key));
  const read = (value: string): string | number | boolean => {
    if (value === "true" || value === "false") return value === "true";
    return /^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(value) ? Number(value) : value;
  };
  return Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, isText(key) ? value : read(value)]));
}

const numbers = new Set([
  "general.parameter_count",
  "general.file_type",
  "general.quantization_version",
  "general.alignment",
]);

function toCapabilities({ details }: ModelFacts): string[] {
  if (details?.canGenerate === false) return ["embedding"];
  // Some were made for embeddings though they can generate: their metadata say how to pool.
  const pooling = details?.metadata[`${details.architecture}.pooling_type`];
  return [
    "completion",
    ...(details?.canFillGaps === true ? ["insert"] : []),
    "tools",
    ...(details?.canThink === true ? ["thinking"] : []),
    ...(["1", "2", "3"].includes(pooling ?? "") ? ["embedding"] : []),
  ];
}

async function show(name: string | undefined, signal: AbortSignal, services: PlainServices): Promise<object> {
  const facts = await services.loadedModel(name, signal);
  const { metadata = {}, template } = facts.details ?? {};
  return {
    modelfile: `FROM ${facts.id}\n`,
    parameters: "",
    template: template ?? "",
    details: toDetails(facts),
    model_info: toModelInfo(metadata),
    capabilities: toCapabilities(facts),
    modified_at: new Date(facts.createdMs).toISOString(),
  };
}

const lists = [
  plainRoute({
    method: "GET",
    path: "/api/tags",
    summary: "The models there are",
    body: undefined,
    answer: z.strictObject({ models: z.array(z.looseObject({ name: z.string() })) }),
    handle: (_, services) => ({ models: services.models().map(toTag) }),
  }),
  plainRoute({
    method: "GET",
    path: "/api/ps",
    summary: "The models that are loaded",
    body: undefined,
    answer: z.strictObject({ models: z.array(z.looseObject({ name: z.string() })) }),
    handle: (_, services) => ({
      models: services
        .models()
        .filter(({ loaded }) => loaded)
        .map(toPs),
    }),
  }),
  plainRoute({
    method: "POST",
    path: "/api/show",
    summary: "One model, which is loaded where it is not",
    anyContentType: true,
    body: z.strictObject({
      model: maybe(z.string()),
      name: maybe(z.string()),
      verbose: maybe(z.boolean()).meta({
        description: "Accepted: all metadata is there in any case, but for the vocabulary",
      }),
      system: refused("a system message without a request", ""),
      template: refused(fixedTemplate, ""),
      options: refused("options without a request"),
    }),
    answer: z.looseObject({ details: z.looseObject({}) }),
    handle: ({ body, signal }, services) => show(nameOf(body), signal, services),
  }),
  plainRoute({
    method: "GET",
    path: "/api/version",
    summary: "The server's version",
    body: undefined,
    answer: z.strictObject({ version: z.string() }),
    handle: (_, { version }) => ({ version }),
  }),
];

export const ollama: Dialect = {
  name: "Ollama",
  owns: (path) => path.startsWith("/api/"),
  error: ({ message }) => ({ body: { error: message } }),
  problem: z.strictObject({ error: z.string() }),
  routes: [chat, generate, ...embeddingRoutes, ...lists],
};
