import { z } from "zod";

import type { StreamEncoder } from "../dialect.js";
import { sse } from "../http/event-stream.js";
import type { Answer, AnswerEnd, AnswerInfo, CalledTool, InferenceEvent } from "../inference/events.js";
import { totalUsage } from "../inference/events.js";
import type { TokenLogprob } from "../inference/events.js";
import {
  fingerprint,
  seconds,
  timingsSchema,
  tokenLogprobSchema,
  toTimings,
  toTokenLogprob,
  toUsage,
  usageSchema,
} from "./answer-parts.js";

const finishReason = z.enum(["stop", "length", "tool_calls", "content_filter"]);
const logprobsSchema = z.strictObject({ content: z.array(tokenLogprobSchema), refusal: z.null() });
const functionSchema = z.strictObject({ name: z.string(), arguments: z.string() });
const callSchema = z.strictObject({ id: z.string(), type: z.literal("function"), function: functionSchema });
/** The beginning of a call, or more of its arguments. */
const callDelta = z.strictObject({
  index: z.int(),
  id: z.string().optional(),
  type: z.literal("function").optional(),
  function: z.strictObject({ name: z.string().optional(), arguments: z.string() }),
});

const head = {
  id: z.string().startsWith("chatcmpl-"),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string(),
};

export const chatCompletion = z.strictObject({
  ...head,
  object: z.literal("chat.completion"),
  choices: z.array(
    z.strictObject({
      index: z.int(),
      message: z.strictObject({
        role: z.literal("assistant"),
        content: z.string().nullable(),
        reasoning_content: z.string().optional(),
        refusal: z.null(),
        tool_calls: z.array(callSchema).optional(),
      }),
      logprobs: logprobsSchema.nullable(),
      finish_reason: finishReason,
    }),
  ),
  usage: usageSchema,
  timings: timingsSchema,
});

export const chatChunk = z.strictObject({
  ...head,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(
    z.strictObject({
      index: z.int(),
      delta: z.strictObject({
        role: z.literal("assistant").optional(),
        content: z.string().nullable().optional(),
        reasoning_content: z.string().optional(),
        refusal: z.null().optional(),
        tool_calls: z.array(callDelta).optional(),
      }),
      logprobs: logprobsSchema.nullable(),
      finish_reason: finishReason.nullable(),
    }),
  ),
  usage: usageSchema.nullable().optional(),
  timings: timingsSchema.optional(),
});

type Chunk = z.output<typeof chatChunk>;
type Delta = Chunk["choices"][number]["delta"];

function toHead({ id, createdMs, model }: AnswerInfo): Pick<Chunk, "id" | "created" | "model" | "system_fingerprint"> {
  return { id: `chatcmpl-${id}`, created: seconds(createdMs), model, system_fingerprint: fingerprint };
}

export function toChatCompletion(answers: readonly Answer[], info: AnswerInfo): z.output<typeof chatCompletion> {
  return {
    ...toHead(info),
    object: "chat.completion",
    choices: answers.map((answer, index) => ({
      index,
      message: {
        role: "assistant",
        content: answer.text === "" && answer.tools.length > 0 ? null : answer.text,
        ...(answer.thinking === "" ? {} : { reasoning_content: answer.thinking }),
        refusal: null,
        ...(answer.tools.length === 0 ? {} : { tool_calls: answer.tools.map(toCall) }),
      },
      logprobs: toLogprobs(answer.logprobs),
      finish_reason: answer.finish,
    })),
    usage: toUsage(totalUsage(answers, answers.length)),
    timings: toTimings(lastOf(answers)),
  };
}

function toCall({
  id,
  name,
  arguments: args,
}: Pick<CalledTool, "id" | "name" | "arguments">): z.output<typeof callSchema> {
  return { id, type: "function", function: { name, arguments: args } };
}

function toLogprobs(logprobs: readonly TokenLogprob[] | undefined): z.output<typeof logprobsSchema> | null {
  return logprobs === undefined ? null : { content: logprobs.map(toTokenLogprob), refusal: null };
}

export function lastOf<T>(list: readonly T[]): T {
  const last = list.at(-1);
  if (last === undefined) throw new Error("A request ended without an answer");
  return last;
}

/** The chunks of one stream. */
export class ChatStream implements StreamEncoder {
  readonly #head: ReturnType<typeof toHead>;
  readonly #choices: number;
  readonly #includeUsage: boolean;
  readonly #ends: AnswerEnd[] = [];

  constructor(info: AnswerInfo, choices: number, includeUsage: boolean) {
    this.#head = toHead(info);
    this.#choices = choices;
    this.#includeUsage = includeUsage;
  }

  start(): string {
    const first: Delta = { role: "assistant", content: "", refusal: null };
    return Array.from({ length: this.#choices }, (_, index) => this.#chunk(index, first)).join("");
  }

  event(event: InferenceEvent): string {
    switch (event.type) {
      case "text":
        return this.#chunk(event.choice, { content: event.text }, toLogprobs(event.logprobs));
      case "thinking":
        return this.#chunk(event.choice, { reasoning_content: event.text });
      case "call": {
        const { choice, index, ...call } = event;
        return this.#chunk(choice, { tool_calls: [{ index, ...toCall({ ...call, arguments: "" }) }] });
      }
      case "arguments":
        return this.#chunk(event.choice, {
          tool_calls: [{ index: event.index, function: { arguments: event.text } }],
        });
      case "callEnd":
        return "";
      case "end": {
        this.#ends[event.choice] = event;
        const isLast = Object.keys(this.#ends).length === this.#choices;
        return this.#chunk(event.choice, {}, null, event.finish, isLast ? event : undefined);
      }
    }
  }

  end(): string {
    return (this.#includeUsage ? this.#usage() : "") + "data: [DONE]\n\n";
  }

  #chunk(
    index: number,
    delta: Delta,
    logprobs: z.output<typeof logprobsSchema> | null = null,
    finish: AnswerEnd["finish"] | null = null,
    timed?: AnswerEnd,
  ): string {
    const chunk: Chunk = {
      ...this.#head,
      object: "chat.completion.chunk",
      choices: [{ index, delta, logprobs, finish_reason: finish }],
      ...(this.#includeUsage ? { usage: null } : {}),
      ...(timed === undefined ? {} : { timings: toTimings(timed) }),
    };
    return sse(chunk);
  }

  #usage(): string {
    const usage = toUsage(totalUsage(this.#ends, this.#ends.length));
    return sse({ ...this.#head, object: "chat.completion.chunk", choices: [], usage } satisfies Chunk);
  }
}
