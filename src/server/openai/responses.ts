import { z } from "zod";

import type { GenerationRoute, StreamEncoder } from "../dialect.js";
import { generationRoute } from "../dialect.js";
import { eventStream, sse } from "../http/event-stream.js";
import { jsonObject, maybe, refused } from "../http/schema.js";
import type {
  Answer,
  AnswerInfo,
  CalledTool,
  InferenceEvent,
  RequestUsage,
  TokenLogprob,
} from "../inference/events.js";
import { AnswerCollector, totalUsage } from "../inference/events.js";
import type { AnswerFormat, ChatMessage, InferenceRequest, ToolCall } from "../inference/request.js";
import { seconds, tokenLogprobSchema, toTokenLogprob } from "./answer-parts.js";
import { parseArguments, toToolChoice } from "./chat-messages.js";
import { commonFields } from "./chat-request.js";
import { lastOf } from "./chat-answer.js";
import { compact, extensionFields, samplingFields, toOptions } from "./request-fields.js";

const inputPart = z.strictObject({ type: z.literal("input_text"), text: z.string() });
const outputPart = z.strictObject({
  type: z.literal("output_text"),
  text: z.string(),
  annotations: z.array(z.unknown()).optional(),
  logprobs: z.array(z.unknown()).optional(),
});
const content = z.union([z.string(), z.array(z.union([inputPart, outputPart])).min(1)]);
const itemStatus = maybe(z.enum(["in_progress", "completed", "incomplete"]));

const item = z.union([
  z.strictObject({
    type: z.literal("message").optional(),
    role: z.enum(["user", "assistant", "system", "developer"]),
    content,
    id: maybe(z.string()),
    status: itemStatus,
  }),
  z.strictObject({
    type: z.literal("function_call"),
    call_id: z.string().min(1),
    name: z.string().min(1),
    arguments: z.string(),
    id: maybe(z.string()),
    status: itemStatus,
  }),
  z.strictObject({
    type: z.literal("function_call_output"),
    call_id: z.string().min(1),
    output: z.union([z.string(), z.array(inputPart)]),
    id: maybe(z.string()),
    status: itemStatus,
  }),
]);

const tool = z.strictObject({
  type: z.literal("function", "Not supported: tools other than functions"),
  name: z.string().regex(/^[\w-]{1,64}$/, "Expected 1 to 64 letters, digits, _ and -"),
  description: maybe(z.string()),
  parameters: maybe(jsonObject),
  strict: maybe(z.boolean()),
});

const textFormat = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text") }),
  z.strictObject({ type: z.literal("json_object") }),
  z.strictObject({
    type: z.literal("json_schema"),
    name: z.string().min(1),
    schema: jsonObject,
    description: maybe(z.string()),
    strict: maybe(z.boolean()),
  }),
]);

const { frequency_penalty: _f, presence_penalty: _p, logit_bias: _l, stop: _s, seed, ...sampling } = samplingFields;

const responseBody = z.strictObject({
  ...commonFields,
  input: z.union([z.string(), z.array(item).min(1)]),
  instructions: maybe(z.string()),
  max_output_tokens: maybe(z.int().min(1).max(0x7fffffff)),
  ...sampling,
  seed,
  ...extensionFields,
  text: maybe(z.strictObject({ format: maybe(textFormat), verbosity: refused("models here have no such setting") })),
  tools: maybe(z.array(tool)),
  tool_choice: maybe(
    z.union([
      z.enum(["none", "auto", "required"]),
      z.strictObject({ type: z.literal("function"), name: z.string().min(1) }),
    ]),
  ),
  parallel_tool_calls: maybe(z.boolean()),
  top_logprobs: maybe(z.int().min(0).max(20)),
  include: maybe(
    z.array(z.literal("message.output_text.logprobs", 'Not supported: anything but "message.output_text.logprobs"')),
  ),
  stream_options: maybe(z.strictObject({ include_obfuscation: refused("padding against eavesdroppers", false) })),
  truncation: refused("prompts are never cut", "disabled"),
  background: refused("answers are not stored", false),
  previous_response_id: refused("answers are not stored; send the conversation as input"),
  conversation: refused("answers are not stored; send the conversation as input"),
  context_management: refused("prompts are never cut"),
  prompt: refused("there are no stored prompts"),
  prompt_cache_options: refused("prefixes are cached by themselves"),
  prompt_cache_retention: refused("prefixes are cached until their room is needed"),
  reasoning: refused("models here have no such setting"),
  max_tool_calls: refused("no tools are run here"),
});

type ResponseBody = z.output<typeof responseBody>;

function toResponseRequest(body: ResponseBody): InferenceRequest {
  const tools = (body.tools ?? []).map(({ name, description, parameters }) => ({
    type: "function" as const,
    function: { name, ...compact({ description, parameters }) },
  }));
  const choice = body.tool_choice ?? "auto";
  const wanted = typeof choice === "object" ? { function: choice } : choice;
  const wantsLogprobs = (body.include ?? []).length > 0 || typeof body.top_logprobs === "number";
  return {
    model: body.model ?? undefined,
    prompts: [
      {
        kind: "chat",
        messages: toMessages(body),
        tools,
        toolChoice: toToolChoice(wanted, tools),
        parallelTools: body.parallel_tool_calls ?? true,
        templateVariables: undefined,
      },
    ],
    n: 1,
    options: {
      ...toOptions(body),
      ...compact({ maxTokens: body.max_output_tokens, logprobs: wantsLogprobs ? (body.top_logprobs ?? 0) : false }),
    },
    format: toFormat(body),
    echo: false,
    countsPrompt: false,
    user: body.safety_identifier ?? body.user ?? undefined,
    metadata: body.metadata ?? undefined,
  };
}

function toFormat({ text, json_schema: extension }: ResponseBody): AnswerFormat {
  if (extension) return { type: "schema", schema: extension, param: "json_schema" };
  const format = text?.format;
  if (format?.type === "json_object") return { type: "json" };
  if (format?.type === "json_schema") return { type: "schema", schema: format.schema, param: "text.format.schema" };
  return { type: "text" };
}

function toMessages({ input, instructions }: ResponseBody): ChatMessage[] {
  const system: ChatMessage[] = instructions ? [{ role: "system", content: instructions }] : [];
  if (typeof input === "string") return [...system, { role: "user", content: input }];
  const messages: ChatMessage[] = [...system];
  for (const [index, one] of input.entries()) {
    if (one.type === "function_call_output") {
      messages.push({ role: "tool", content: toText(one.output), toolCallId: one.call_id });
    } else if (one.type === "function_call") {
      const args = parseArguments(one.arguments, `input[${index}].arguments`);
      addCall(messages, { id: one.call_id, name: one.name, arguments: args });
    } else {
      const role = one.role === "developer" ? "system" : one.role;
      messages.push({ role, content: toText(one.content) });
    }
  }
  return messages;
}

/** Calls that follow an assistant's message belong to it. */
function addCall(messages: ChatMessage[], call: ToolCall): void {
  const last = messages.at(-1);
  if (last?.role !== "assistant") messages.push({ role: "assistant", content: "", toolCalls: [call] });
  else messages[messages.length - 1] = { ...last, toolCalls: [...(last.toolCalls ?? []), call] };
}

function toText(parts: string | readonly { text: string }[]): string {
  return typeof parts === "string" ? parts : parts.map(({ text }) => text).join("");
}

const outputText = z.strictObject({
  type: z.literal("output_text"),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs: z.array(tokenLogprobSchema),
});
const status = z.enum(["in_progress", "completed", "incomplete"]);
const messageItem = z.strictObject({
  type: z.literal("message"),
  id: z.string(),
  status,
  role: z.literal("assistant"),
  content: z.array(outputText),
});
const callItem = z.strictObject({
  type: z.literal("function_call"),
  id: z.string(),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
  status,
});
const outputItem = z.union([messageItem, callItem]);
const usageSchema = z.strictObject({
  input_tokens: z.int(),
  input_tokens_details: z.strictObject({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.strictObject({ reasoning_tokens: z.int() }),
  total_tokens: z.int(),
});

export const response = z.strictObject({
  id: z.string().startsWith("resp_"),
  object: z.literal("response"),
  created_at: z.int(),
  status,
  error: z.null(),
  incomplete_details: z.strictObject({ reason: z.enum(["max_output_tokens", "content_filter"]) }).nullable(),
  instructions: z.string().nullable(),
  max_output_tokens: z.int().nullable(),
  metadata: z.record(z.string(), z.string()),
  model: z.string(),
  output: z.array(outputItem),
  output_text: z.string(),
  parallel_tool_calls: z.boolean(),
  previous_response_id: z.null(),
  store: z.literal(false),
  temperature: z.number().nullable(),
  text: z.strictObject({ format: z.unknown() }),
  tool_choice: z.unknown(),
  tools: z.array(z.unknown()),
  top_p: z.number().nullable(),
  truncation: z.literal("disabled"),
  usage: usageSchema.nullable(),
  user: z.string().optional(),
});

type ResponseAnswer = z.output<typeof response>;
type OutputItem = z.output<typeof outputItem>;

function toUsage({ promptTokens, cachedTokens, completionTokens }: RequestUsage): z.output<typeof usageSchema> {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: 0 },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + completionTokens,
  };
}

function toMessageItem(
  id: string,
  text: string,
  logprobs: readonly TokenLogprob[] | undefined,
  state: z.output<typeof status>,
): OutputItem {
  const part = { type: "output_text" as const, text, annotations: [], logprobs: (logprobs ?? []).map(toTokenLogprob) };
  return { type: "message", id: `msg_${id}`, status: state, role: "assistant", content: [part] };
}

function toCallItem({ id, name, arguments: args }: CalledTool): OutputItem {
  const suffix = id.replace(/^call_/, "");
  return { type: "function_call", id: `fc_${suffix}`, call_id: id, name, arguments: args, status: "completed" };
}

/** A response without its output. */
function emptyResponse(body: ResponseBody, info: AnswerInfo): ResponseAnswer {
  return {
    id: `resp_${info.id}`,
    object: "response",
    created_at: seconds(info.createdMs),
    status: "in_progress",
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    model: info.model,
    output: [],
    output_text: "",
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    store: false,
    temperature: body.temperature ?? null,
    text: { format: body.text?.format ?? { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_p: body.top_p ?? null,
    truncation: "disabled",
    usage: null,
    ...(typeof body.user === "string" ? { user: body.user } : {}),
  };
}

function toResponse(body: ResponseBody, answer: Answer, info: AnswerInfo): ResponseAnswer {
  const reason = { length: "max_output_tokens" as const, content_filter: "content_filter" as const };
  const cut = answer.finish === "length" || answer.finish === "content_filter" ? reason[answer.finish] : undefined;
  const state = cut === undefined ? "completed" : "incomplete";
  const says = answer.text !== "" || answer.tools.length === 0;
  return {
    ...emptyResponse(body, info),
    status: state,
    incomplete_details: cut === undefined ? null : { reason: cut },
    output: [
      ...(says ? [toMessageItem(info.id, answer.text, answer.logprobs, state)] : []),
      ...answer.tools.map(toCallItem),
    ],
    output_text: answer.text,
    usage: toUsage(totalUsage([answer], 1)),
  };
}

class ResponseStream implements StreamEncoder {
  readonly #body: ResponseBody;
  readonly #info: AnswerInfo;
  readonly #collector = new AnswerCollector();
  #sequence = 0;
  /** Of the message, once it has begun. */
  #message: { text: string; logprobs: TokenLogprob[]; index: number } | undefined;
  #items = 0;

  constructor(body: ResponseBody, info: AnswerInfo) {
    this.#body = body;
    this.#info = info;
  }

  start(): string {
    const empty = emptyResponse(this.#body, this.#info);
    return (
      this.#send("response.created", { response: empty }) + this.#send("response.in_progress", { response: empty })
    );
  }

  event(event: InferenceEvent): string {
    this.#collector.add(event);
    switch (event.type) {
      case "text":
        return this.#text(event.text, event.logprobs);
      case "tool":
        return this.#tool(event);
      case "end":
        return "";
    }
  }

  end(): string {
    const whole = toResponse(this.#body, lastOf(this.#collector.answers), this.#info);
    const begun = this.#message !== undefined || whole.output[0]?.type !== "message" ? "" : this.#text("", undefined);
    const closed = this.#close(whole.status);
    const type = whole.status === "completed" ? "response.completed" : "response.incomplete";
    return begun + closed + this.#send(type, { response: whole });
  }

  #text(text: string, logprobs: readonly TokenLogprob[] | undefined): string {
    let opened = "";
    if (this.#message === undefined) {
      this.#message = { text: "", logprobs: [], index: this.#items++ };
      const item = { type: "message", id: this.#itemId, status: "in_progress", role: "assistant", content: [] };
      const part = { type: "output_text", text: "", annotations: [], logprobs: [] };
      opened =
        this.#send("response.output_item.added", { output_index: this.#message.index, item }) +
        this.#send("response.content_part.added", { ...this.#place(), part });
    }
    this.#message.text += text;
    if (logprobs !== undefined) this.#message.logprobs.push(...logprobs);
    if (text === "" && logprobs === undefined) return opened;
    const delta = { ...this.#place(), delta: text, logprobs: (logprobs ?? []).map(toTokenLogprob) };
    return opened + this.#send("response.output_text.delta", delta);
  }

  #close(state: z.output<typeof status>): string {
    if (this.#message === undefined) return "";
    const { text, logprobs, index } = this.#message;
    const item = toMessageItem(this.#info.id, text, logprobs, state);
    const part = item.type === "message" ? item.content[0] : undefined;
    return (
      this.#send("response.output_text.done", { ...this.#place(), text, logprobs: logprobs.map(toTokenLogprob) }) +
      this.#send("response.content_part.done", { ...this.#place(), part }) +
      this.#send("response.output_item.done", { output_index: index, item })
    );
  }

  /** A call is known as a whole only. */
  #tool(call: CalledTool): string {
    const item = toCallItem(call);
    const place = { item_id: item.id, output_index: this.#items++ };
    const { arguments: args, name } = call;
    return (
      this.#send("response.output_item.added", {
        output_index: place.output_index,
        item: { ...item, status: "in_progress", arguments: "" },
      }) +
      this.#send("response.function_call_arguments.delta", { ...place, delta: args }) +
      this.#send("response.function_call_arguments.done", { ...place, name, arguments: args }) +
      this.#send("response.output_item.done", { output_index: place.output_index, item })
    );
  }

  get #itemId(): string {
    return `msg_${this.#info.id}`;
  }

  #place(): object {
    return { item_id: this.#itemId, output_index: this.#message?.index ?? 0, content_index: 0 };
  }

  #send(type: string, data: object): string {
    return sse({ type, sequence_number: this.#sequence++, ...data }, type);
  }
}

export const responseRoute: GenerationRoute = generationRoute({
  path: "/v1/responses",
  summary: "Answers an input; nothing is stored",
  body: responseBody,
  answer: response,
  chunk: z.looseObject({ type: z.string(), sequence_number: z.int() }),
  prepare: (body) => ({
    request: toResponseRequest(body),
    streams: body.stream === true,
    answer: (answers, info) => toResponse(body, lastOf(answers), info),
    stream: {
      ...eventStream,
      encoder: (info) => new ResponseStream(body, info),
      error: (problem) => {
        const { error } = problem as { error: { code: string | null; message: string; param: string | null } };
        const { code, message, param } = error;
        return sse({ type: "error", sequence_number: 0, code, message, param }, "error");
      },
    },
  }),
});
