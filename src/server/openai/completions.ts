import { z } from "zod";

import type { GenerationRoute, StreamEncoder } from "../dialect.js";
import { generationRoute } from "../dialect.js";
import { eventStream, sse } from "../http/event-stream.js";
import { Problem } from "../http/problem.js";
import { maybe, refused } from "../http/schema.js";
import type { Answer, AnswerEnd, AnswerInfo, InferenceEvent, PlacedLogprob } from "../inference/events.js";
import { finiteLogprob, totalUsage } from "../inference/events.js";
import type { InferenceRequest, Prompt } from "../inference/request.js";
import { fingerprint, seconds, timingsSchema, toTimings, toUsage, usageSchema } from "./answer-parts.js";
import { lastOf } from "./chat-answer.js";
import { assertStreams, commonFields, streamOptions } from "./chat-request.js";
import { assertOneFormat, compact, extensionFields, samplingFields, toOptions } from "./request-fields.js";

const tokenList = z.array(z.int().min(0)).min(1);
const mostPrompts = 128;

const completionBody = z.strictObject({
  ...commonFields,
  prompt: z.union([
    z.string(),
    z.array(z.string()).min(1).max(mostPrompts),
    tokenList,
    z.array(tokenList).min(1).max(mostPrompts),
  ]),
  suffix: maybe(z.string()),
  echo: maybe(z.boolean()),
  max_tokens: maybe(z.int().min(0).max(0x7fffffff)),
  n: maybe(z.int().min(1).max(128)),
  best_of: maybe(z.int().min(1).max(128)),
  logprobs: maybe(z.int().min(0).max(20)),
  stream_options: maybe(streamOptions),
  ...samplingFields,
  ...extensionFields,
  prompt_cache_retention: refused("prefixes are cached until their room is needed"),
});

type CompletionBody = z.output<typeof completionBody>;

/** OpenAI's own default. */
const defaultMaxTokens = 16;

function toCompletionRequest(body: CompletionBody): InferenceRequest {
  assertStreams(body);
  const n = body.n ?? 1;
  if ((body.best_of ?? n) !== n) throw refusal("best_of", "Not supported: more answers than n");
  const logprobs = body.logprobs ?? false;
  if (body.echo === true && logprobs !== false) {
    throw refusal("logprobs", "Not supported: log-probabilities of the prompt, which echo asks for");
  }
  assertOneFormat({ json_schema: body.json_schema, grammar: body.grammar });
  return {
    model: body.model ?? undefined,
    prompts: toPrompts(body),
    n,
    options: { ...toOptions(body), ...compact({ maxTokens: body.max_tokens ?? defaultMaxTokens, logprobs }) },
    format: body.json_schema ? { type: "schema", schema: body.json_schema, param: "json_schema" } : { type: "text" },
    echo: body.echo === true,
    countsPrompt: false,
    user: body.safety_identifier ?? body.user ?? undefined,
    metadata: body.metadata ?? undefined,
  };
}

function refusal(param: string, message: string): Problem {
  return new Problem("unsupported", `${param}: ${message}`, { param });
}

function toPrompts({ prompt, suffix, echo }: CompletionBody): Prompt[] {
  if (typeof suffix === "string") {
    if (typeof prompt !== "string") throw refusal("suffix", "Expected a single text as the prompt with it");
    if (echo === true) throw refusal("echo", "Not supported: together with suffix");
    return [{ kind: "gap", before: prompt, after: suffix }];
  }
  const isList = Array.isArray(prompt) && typeof prompt[0] !== "number";
  return (isList ? prompt : [prompt]).map((one, index) => {
    if (typeof one === "string") return { kind: "text", text: one };
    return { kind: "tokens", tokens: one as number[], param: isList ? `prompt[${index}]` : "prompt" };
  });
}

const logprobsSchema = z.strictObject({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  top_logprobs: z.array(z.record(z.string(), z.number())),
  text_offset: z.array(z.int()),
});

const completionShape = {
  id: z.string().startsWith("cmpl-"),
  object: z.literal("text_completion"),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string(),
};
const finishReason = z.enum(["stop", "length", "content_filter"]);
const choiceShape = { text: z.string(), index: z.int(), logprobs: logprobsSchema.nullable() };

export const completion = z.strictObject({
  ...completionShape,
  choices: z.array(z.strictObject({ ...choiceShape, finish_reason: finishReason })),
  usage: usageSchema,
  timings: timingsSchema,
});
export const completionChunk = z.strictObject({
  ...completionShape,
  choices: z.array(z.strictObject({ ...choiceShape, finish_reason: finishReason.nullable() })),
  usage: usageSchema.nullable().optional(),
  timings: timingsSchema.optional(),
});

type Chunk = z.output<typeof completionChunk>;

function toHead({ id, createdMs, model }: AnswerInfo): Omit<Chunk, "choices" | "usage" | "timings"> {
  const created = seconds(createdMs);
  return { id: `cmpl-${id}`, object: "text_completion", created, model, system_fingerprint: fingerprint };
}

function toLogprobs(logprobs: readonly PlacedLogprob[] | undefined): z.output<typeof logprobsSchema> | null {
  if (logprobs === undefined) return null;
  return {
    tokens: logprobs.map(({ text }) => text),
    token_logprobs: logprobs.map(finiteLogprob),
    top_logprobs: logprobs.map(({ top }) => Object.fromEntries(top.map((token) => [token.text, finiteLogprob(token)]))),
    text_offset: logprobs.map(({ offset }) => offset),
  };
}

/** There are no tools here. */
function toFinish({ finish }: AnswerEnd): z.output<typeof finishReason> {
  return finish === "tool_calls" ? "stop" : finish;
}

function toCompletion(answers: readonly Answer[], info: AnswerInfo, n: number): z.output<typeof completion> {
  return {
    ...toHead(info),
    choices: answers.map((answer, index) => ({
      text: answer.text,
      index,
      logprobs: toLogprobs(answer.logprobs),
      finish_reason: toFinish(answer),
    })),
    usage: toUsage(totalUsage(answers, n)),
    timings: toTimings(lastOf(answers)),
  };
}

class CompletionStream implements StreamEncoder {
  readonly #head: ReturnType<typeof toHead>;
  readonly #n: number;
  readonly #choices: number;
  readonly #includeUsage: boolean;
  readonly #ends: AnswerEnd[] = [];

  constructor(info: AnswerInfo, { prompts, n }: InferenceRequest, includeUsage: boolean) {
    this.#head = toHead(info);
    this.#n = n;
    this.#choices = prompts.length * n;
    this.#includeUsage = includeUsage;
  }

  start(): string {
    return "";
  }

  event(event: InferenceEvent): string {
    const index = event.choice;
    if (event.type === "text") {
      return this.#chunk({ text: event.text, index, logprobs: toLogprobs(event.logprobs), finish_reason: null });
    }
    if (event.type !== "end") return ""; // nobody calls tools here
    this.#ends[index] = event;
    const isLast = Object.keys(this.#ends).length === this.#choices;
    const choice = { text: "", index, logprobs: null, finish_reason: toFinish(event) };
    return this.#chunk(choice, isLast ? event : undefined);
  }

  end(): string {
    const usage = toUsage(totalUsage(this.#ends, this.#n));
    const last = this.#includeUsage ? sse({ ...this.#head, choices: [], usage } satisfies Chunk) : "";
    return `${last}data: [DONE]\n\n`;
  }

  #chunk(choice: Chunk["choices"][number], timed?: AnswerEnd): string {
    return sse({
      ...this.#head,
      choices: [choice],
      ...(this.#includeUsage ? { usage: null } : {}),
      ...(timed === undefined ? {} : { timings: toTimings(timed) }),
    } satisfies Chunk);
  }
}

export const completionRoute: GenerationRoute = generationRoute({
  path: "/v1/completions",
  summary: "Continues texts, or fills a gap in one",
  body: completionBody,
  answer: completion,
  chunk: completionChunk,
  prepare(body) {
    const request = toCompletionRequest(body);
    return {
      request,
      streams: body.stream === true,
      answer: (answers, info) => toCompletion(answers, info, request.n),
      stream: {
        ...eventStream,
        encoder: (info) => new CompletionStream(info, request, body.stream_options?.include_usage === true),
        error: (error) => sse(error),
      },
    };
  },
});
