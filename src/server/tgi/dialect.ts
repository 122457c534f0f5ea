import { z } from "zod";

import type { Dialect, PreparedRequest, StreamEncoder } from "../dialect.js";
import { generationRoute, plainRoute } from "../dialect.js";
import { eventStream, sse } from "../http/event-stream.js";
import type { ProblemCode } from "../http/problem.js";
import { Problem } from "../http/problem.js";
import { jsonObject, maybe, refused } from "../http/schema.js";
import type { Answer, AnswerEnd, InferenceEvent, TokenLogprob } from "../inference/events.js";
import { finiteLogprob } from "../inference/events.js";
import type { InferenceRequest } from "../inference/request.js";

const share = z.number().gt(0).max(1);

const parameters = z.strictObject({
  max_new_tokens: maybe(z.int().min(1).max(0x7fffffff)),
  temperature: maybe(z.number().gt(0)),
  top_k: maybe(z.int().min(1).max(0x7fffffff)),
  top_p: maybe(share),
  typical_p: maybe(share),
  repetition_penalty: maybe(z.number().min(0.01).max(100)),
  frequency_penalty: maybe(z.number().min(-2).max(2)),
  do_sample: maybe(z.boolean()),
  seed: maybe(z.int().min(0)),
  stop: maybe(z.array(z.string().min(1)).max(16)),
  return_full_text: maybe(z.boolean()),
  details: maybe(z.boolean()),
  grammar: maybe(
    z.strictObject({
      type: z.literal("json", 'Not supported: grammars other than "json"'),
      value: jsonObject,
    }),
  ),
  decoder_input_details: refused("log-probabilities of the prompt", false),
  best_of: refused("more than one answer", 1),
  top_n_tokens: refused("alternatives; OpenAI's routes have them", 0),
  truncate: refused("prompts are never cut"),
  watermark: refused("watermarks", false),
  adapter_id: refused("adapters"),
});

const generateBody = z.strictObject({
  inputs: z.string().min(1),
  parameters: maybe(parameters),
  stream: maybe(z.boolean()),
});
type GenerateBody = z.output<typeof generateBody>;

/** The original's own default. */
const defaultMaxTokens = 100;

function toRequest({ inputs, parameters: given }: GenerateBody, streams: boolean): InferenceRequest {
  const p: Partial<z.output<typeof parameters>> = given ?? {};
  // As the original does it: a request that says nothing of sampling is answered greedily.
  const samples =
    p.do_sample === true || [p.temperature, p.top_k, p.top_p, p.typical_p].some((value) => typeof value === "number");
  const named = {
    maxTokens: p.max_new_tokens ?? defaultMaxTokens,
    temperature: samples ? (p.temperature ?? 1) : 0,
    topK: p.top_k ?? 0,
    topP: p.top_p ?? 1,
    minP: 0,
    typicalP: p.typical_p,
    repeatPenalty: p.repetition_penalty,
    frequencyPenalty: p.frequency_penalty,
    seed: typeof p.seed === "number" ? p.seed % 0xffffffff : undefined,
    stop: p.stop,
    logprobs: streams || p.details === true ? true : undefined,
  };
  return {
    model: undefined,
    prompts: [{ kind: "text", text: inputs }],
    n: 1,
    options: Object.fromEntries(Object.entries(named).filter(([, value]) => value !== null && value !== undefined)),
    format: p.grammar
      ? { type: "schema", schema: p.grammar.value, param: "parameters.grammar.value" }
      : { type: "text" },
    logprobsAreOptional: streams,
    // A stream has it in its last chunk alone, which is not a token's.
    echo: p.return_full_text === true && !streams,
    countsPrompt: false,
    user: undefined,
    metadata: undefined,
  };
}

const tokenSchema = z.strictObject({ id: z.int(), text: z.string(), logprob: z.number(), special: z.boolean() });
const finishReason = z.enum(["length", "eos_token", "stop_sequence"]);
const detailsSchema = z.strictObject({
  finish_reason: finishReason,
  generated_tokens: z.int(),
  seed: z.int().nullable(),
  prefill: z.array(z.never()),
  tokens: z.array(tokenSchema),
});
const generateAnswer = z.strictObject({ generated_text: z.string(), details: detailsSchema.optional() });
const streamChunk = z.strictObject({
  index: z.int(),
  token: tokenSchema,
  generated_text: z.string().nullable(),
  details: z
    .strictObject({
      finish_reason: finishReason,
      generated_tokens: z.int(),
      input_length: z.int(),
      seed: z.int().nullable(),
    })
    .nullable(),
});

function toToken(token: TokenLogprob): z.output<typeof tokenSchema> {
  return { id: token.token, text: token.text, logprob: finiteLogprob(token), special: false };
}

/** There is no reason for what the content filter ended, and clients take none but these: it is an error, also in a stream. */
function toFinish({ finish, stopString }: AnswerEnd): z.output<typeof finishReason> {
  if (finish === "content_filter") throw new Problem("content_filter", "The content filter ended the answer");
  if (finish === "length") return "length";
  return stopString === null ? "eos_token" : "stop_sequence";
}

function toAnswer([answer]: readonly Answer[], wantsDetails: boolean): z.output<typeof generateAnswer> {
  if (answer === undefined) throw new Error("A request ended without an answer");
  const details = {
    finish_reason: toFinish(answer),
    generated_tokens: answer.usage.completionTokens,
    seed: answer.seed,
    prefill: [],
    tokens: (answer.logprobs ?? []).map(toToken),
  };
  return { generated_text: answer.text, ...(wantsDetails ? { details } : {}) };
}

/**
 * One chunk a token; the last one has the whole text too, so each waits for the next. What a content filter passes on are no
 * tokens any more, but pieces of text: their chunks have 0 for what is not known.
 */
class TokenStream implements StreamEncoder {
  #text: string;
  #index = 0;
  #held: TokenLogprob | undefined;
  #end: AnswerEnd | undefined;

  constructor({ inputs, parameters: given }: GenerateBody) {
    this.#text = given?.return_full_text === true ? inputs : "";
  }

  start(): string {
    return "";
  }

  event(event: InferenceEvent): string {
    if (event.type === "end") return this.#endWith(event);
    if (event.type !== "text") return "";
    this.#text += event.text;
    const tokens = event.logprobs ?? [{ ...noToken, text: event.text }];
    return tokens.map((token) => this.#hold(token)).join("");
  }

  end(): string {
    const end = this.#end;
    if (end === undefined) return "";
    const token = this.#held ?? noToken;
    return this.#chunk(token, this.#text, {
      finish_reason: toFinish(end),
      generated_tokens: end.usage.completionTokens,
      input_length: end.usage.promptTokens,
      seed: end.seed,
    });
  }

  /** What was passed of an answer that is an error in the end has no last chunk to wait for. */
  #endWith(end: AnswerEnd): string {
    this.#end = end;
    if (end.finish !== "content_filter" || this.#held === undefined) return "";
    return this.#chunk(this.#held, null, null);
  }

  #hold(token: TokenLogprob): string {
    const held = this.#held;
    this.#held = token;
    return held === undefined ? "" : this.#chunk(held, null, null);
  }

  #chunk(token: TokenLogprob, text: string | null, details: z.output<typeof streamChunk>["details"]): string {
    return sse({ index: ++this.#index, token: toToken(token), generated_text: text, details });
  }
}

const noToken: TokenLogprob = { token: 0, text: "", bytes: new Uint8Array(), logprob: 0, top: [] };

const types: Partial<Readonly<Record<ProblemCode, string>>> = {
  content_filter: "generation",
  queue_full: "overloaded",
  internal: "generation",
  loading: "overloaded",
  draining: "overloaded",
  time_limit: "generation",
  insufficient_memory: "overloaded",
};
/** What the original calls a validation error has a status of its own. */
const validation: ReadonlySet<ProblemCode> = new Set([
  "invalid_request",
  "unsupported",
  "context_length_exceeded",
] satisfies ProblemCode[]);

function toProblem({ code, message }: Problem): { body: object; status?: number } {
  if (validation.has(code)) {
    return { body: { error: `Input validation error: ${message}`, error_type: "validation" }, status: 422 };
  }
  return { body: { error: message, error_type: types[code] ?? "validation" } };
}

function prepare(body: GenerateBody, streams: boolean): PreparedRequest {
  return {
    request: toRequest(body, streams),
    streams,
    answer: (answers) => toAnswer(answers, body.parameters?.details === true),
    stream: { ...eventStream, encoder: () => new TokenStream(body), error: (error) => sse(error) },
  };
}

const generate = generationRoute({
  path: "/generate",
  summary: "Continues a text",
  body: generateBody,
  answer: generateAnswer,
  chunk: streamChunk,
  prepare: (body) => prepare(body, body.stream === true),
});

/** Where clients of the model hub's inference API ask, that know but the server's address. */
const generateAtRoot = generationRoute({
  path: "/",
  summary: "Continues a text; the answer is in a list",
  body: generateBody,
  answer: z.array(generateAnswer),
  chunk: streamChunk,
  prepare(body) {
    const prepared = prepare(body, body.stream === true);
    return { ...prepared, answer: (answers, info) => [prepared.answer(answers, info)] };
  },
});

const generateStream = generationRoute({
  path: "/generate_stream",
  summary: "Continues a text, as server-sent events",
  body: generateBody,
  answer: undefined,
  chunk: streamChunk,
  prepare: (body) => prepare(body, true),
});

const info = plainRoute({
  method: "GET",
  path: "/info",
  summary: "What is served",
  body: undefined,
  answer: z.strictObject({
    model_id: z.string(),
    model_dtype: z.string().nullable(),
    max_concurrent_requests: z.int().nullable(),
    max_total_tokens: z.int().nullable(),
    version: z.string(),
    router: z.literal("llama-native"),
  }),
  async handle(_, services) {
    const { id, details } = await services.model(undefined);
    return {
      model_id: id,
      model_dtype: details?.fileType ?? null,
      max_concurrent_requests: details?.canGenerate === true ? details.sequences : null,
      max_total_tokens: details?.contextSize ?? null,
      version: services.version,
      router: "llama-native",
    };
  },
});

export const tgi: Dialect = {
  name: "Text Generation Inference",
  owns: (path) => ["/", "/generate", "/generate_stream", "/info"].includes(path),
  error: toProblem,
  problem: z.strictObject({ error: z.string(), error_type: z.string() }),
  routes: [generate, generateStream, generateAtRoot, info],
};
