import { z } from "zod";

import type { Answer, AnswerInfo, CalledTool, RequestUsage, SaidText, Thought } from "../inference/events.js";
import { totalUsage } from "../inference/events.js";
import { seconds, timingsSchema, tokenLogprobSchema, toTimings, toTokenLogprob } from "./answer-parts.js";
import { jsonObject } from "../http/schema.js";
import { compact, effort } from "./request-fields.js";
import { toolChoice } from "./response-request.js";
import type { ResponseBody } from "./response-request.js";

export const outputText = z.strictObject({
  type: z.literal("output_text"),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs: z.array(tokenLogprobSchema),
});
export const status = z.enum(["in_progress", "completed", "incomplete"]);
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
export const reasoningText = z.strictObject({ type: z.literal("reasoning_text"), text: z.string() });
/** What the model thought before it answered. */
const reasoningItem = z.strictObject({
  type: z.literal("reasoning"),
  id: z.string(),
  summary: z.array(z.never()),
  content: z.array(reasoningText),
  status,
});
export const outputItem = z.discriminatedUnion("type", [messageItem, callItem, reasoningItem]);
/** As requests have them, with nulls for what they leave out. */
const toolAnswer = z.strictObject({
  type: z.literal("function"),
  name: z.string(),
  description: z.string().nullable(),
  parameters: jsonObject.nullable(),
  strict: z.boolean().nullable(),
});
const usageSchema = z.strictObject({
  input_tokens: z.int(),
  input_tokens_details: z.strictObject({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.strictObject({ reasoning_tokens: z.int() }),
  total_tokens: z.int(),
});

/** How the answer had to look. */
const formatAnswer = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text") }),
  z.strictObject({ type: z.literal("json_object") }),
  z.strictObject({
    type: z.literal("json_schema"),
    name: z.string(),
    schema: jsonObject,
    description: z.string().optional(),
    strict: z.boolean().nullable(),
  }),
]);

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
  parallel_tool_calls: z.boolean(),
  previous_response_id: z.null(),
  store: z.literal(false),
  temperature: z.number().nullable(),
  text: z.strictObject({ format: formatAnswer }),
  tool_choice: toolChoice,
  tools: z.array(toolAnswer),
  top_p: z.number().nullable(),
  truncation: z.literal("disabled"),
  usage: usageSchema.optional(),
  timings: timingsSchema.optional(),
  user: z.string().optional(),
  background: z.literal(false),
  completed_at: z.int().nullable(),
  max_tool_calls: z.null(),
  prompt_cache_key: z.string().optional(),
  reasoning: z.strictObject({ effort: effort.nullable(), summary: z.null() }),
  safety_identifier: z.string().optional(),
  service_tier: z.literal("default"),
  top_logprobs: z.int(),
});

type ResponseAnswer = z.output<typeof response>;

function toUsage(usage: RequestUsage): z.output<typeof usageSchema> {
  const { promptTokens, cachedTokens, completionTokens, thinkingTokens } = usage;
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: 0 },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: thinkingTokens },
    total_tokens: promptTokens + completionTokens,
  };
}

/** `index`: of the messages of one response, from 0. */
export function messageItemId(id: string, index: number): string {
  return index === 0 ? `msg_${id}` : `msg_${id}_${index}`;
}

export function toMessageItem(
  id: string,
  { text, logprobs }: SaidText,
  state: z.output<typeof status>,
): z.output<typeof messageItem> & { content: [z.output<typeof outputText>] } {
  const part = { type: "output_text" as const, text, annotations: [], logprobs: (logprobs ?? []).map(toTokenLogprob) };
  return { type: "message", id, status: state, role: "assistant", content: [part] };
}

export function reasoningItemId(id: string): string {
  return `rs_${id}`;
}

export function toReasoningItem(
  id: string,
  { thinking }: Thought,
  state: z.output<typeof status>,
): z.output<typeof reasoningItem> {
  const content = [{ type: "reasoning_text" as const, text: thinking }];
  return { type: "reasoning", id, summary: [], content, status: state };
}

export function toCallItem(call: CalledTool): z.output<typeof callItem> {
  const { id, name, arguments: args, isWhole } = call;
  const state = isWhole ? "completed" : "incomplete";
  return { type: "function_call", id: callItemId(call), call_id: id, name, arguments: args, status: state };
}

export function callItemId({ id }: Pick<CalledTool, "id">): string {
  return id.replace(/^call_/, "fc_");
}

/** A response without its output. */
export function emptyResponse(body: ResponseBody, info: AnswerInfo): ResponseAnswer {
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
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    store: false,
    temperature: body.temperature ?? null,
    text: { format: toFormat(body) },
    tool_choice: body.tool_choice ?? "auto",
    tools: (body.tools ?? []).map(toTool),
    top_p: body.top_p ?? null,
    truncation: "disabled",
    background: false,
    completed_at: null,
    max_tool_calls: null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
    service_tier: "default",
    top_logprobs: body.top_logprobs ?? 0,
    ...compact({
      user: body.user,
      safety_identifier: body.safety_identifier,
      prompt_cache_key: body.prompt_cache_key,
    }),
  };
}

function toFormat({ text }: ResponseBody): ResponseAnswer["text"]["format"] {
  const format = text?.format ?? { type: "text" as const };
  if (format.type !== "json_schema") return format;
  const { description, strict, ...rest } = format;
  return { ...rest, ...(typeof description === "string" ? { description } : {}), strict: strict ?? null };
}

function toTool(tool: NonNullable<ResponseBody["tools"]>[number]): z.output<typeof toolAnswer> {
  const { type, name, description, parameters, strict } = tool;
  return { type, name, description: description ?? null, parameters: parameters ?? null, strict: strict ?? null };
}

/** Only the last item can be one that was cut. */
function toOutput({ content }: Answer, id: string, state: z.output<typeof status>): ResponseAnswer["output"] {
  const parts = content.length === 0 ? [{ text: "", logprobs: undefined }] : content;
  let messages = 0;
  return parts.map((part, index) => {
    const itemState = index === parts.length - 1 ? state : "completed";
    if ("thinking" in part) return toReasoningItem(reasoningItemId(id), part, itemState);
    if (!("text" in part)) return toCallItem(part);
    return toMessageItem(messageItemId(id, messages++), part, itemState);
  });
}

export function toResponse(body: ResponseBody, answer: Answer, info: AnswerInfo): ResponseAnswer {
  const reason = { length: "max_output_tokens" as const, content_filter: "content_filter" as const };
  const cut = answer.finish === "length" || answer.finish === "content_filter" ? reason[answer.finish] : undefined;
  const state = cut === undefined ? "completed" : "incomplete";
  return {
    ...emptyResponse(body, info),
    status: state,
    incomplete_details: cut === undefined ? null : { reason: cut },
    output: toOutput(answer, info.id, state),
    completed_at: cut === undefined ? seconds(Date.now()) : null,
    usage: toUsage(totalUsage([answer], 1)),
    timings: toTimings(answer),
  };
}
