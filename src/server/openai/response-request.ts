import { z } from "zod";

import { clientsOwn, jsonObject, maybe, refused, someTools } from "../http/schema.js";
import type { AnswerFormat, ChatMessage, InferenceRequest, ToolCall } from "../inference/request.js";
import { parseArguments, strictNames, toToolChoice } from "./chat-messages.js";
import { assertStreams, commonFields, notShown } from "./chat-request.js";
import {
  assertOneFormat,
  compact,
  effortField,
  extensionFields,
  samplingFields,
  toOptions,
  toThinking,
} from "./request-fields.js";

const inputPart = z.strictObject({ type: z.literal("input_text"), text: z.string() });
const outputPart = z.strictObject({
  type: z.literal("output_text"),
  text: z.string(),
  annotations: maybe(z.array(z.unknown())),
  logprobs: maybe(z.array(z.unknown())),
  parsed: clientsOwn,
});
const refusalPart = z.strictObject({ type: z.literal("refusal"), refusal: z.string() });
const part = z.discriminatedUnion("type", [inputPart, outputPart, refusalPart]);
const content = z.union([z.string(), z.array(part).min(1)]);
const itemStatus = maybe(z.enum(["in_progress", "completed", "incomplete"]));

const item = z.union([
  z.strictObject({
    type: maybe(z.literal("message")),
    role: z.enum(["user", "assistant", "system", "developer"]),
    content,
    id: maybe(z.string()),
    status: itemStatus,
  }),
  z.strictObject({
    type: z.literal("reasoning"),
    id: maybe(z.string()),
    summary: maybe(z.array(z.unknown()).max(0, "Not supported: summaries of thoughts")),
    content: maybe(z.array(z.strictObject({ type: z.literal("reasoning_text"), text: z.string() }))),
    encrypted_content: refused("encrypted thoughts"),
    status: itemStatus,
  }),
  z.strictObject({
    type: z.literal("function_call"),
    call_id: z.string().min(1),
    name: z.string().min(1),
    arguments: z.string(),
    parsed_arguments: clientsOwn,
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

export const toolChoice = z.union([
  z.enum(["none", "auto", "required"]),
  z.strictObject({ type: z.literal("function"), name: z.string().min(1) }),
]);

const textFormat = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text") }),
  z.strictObject({ type: z.literal("json_object") }),
  z.strictObject({
    type: z.literal("json_schema"),
    name: z.string().min(1),
    schema: jsonObject,
    description: notShown,
    strict: maybe(z.boolean()),
  }),
]);

const { frequency_penalty: _f, presence_penalty: _p, logit_bias: _l, stop: _s, seed, ...sampling } = samplingFields;

export const responseBody = z.strictObject({
  ...commonFields,
  input: z.union([z.string(), z.array(item).min(1)]),
  instructions: maybe(z.string()),
  max_output_tokens: maybe(z.int().min(1).max(0x7fffffff)),
  ...sampling,
  seed,
  ...extensionFields,
  text: maybe(z.strictObject({ format: maybe(textFormat), verbosity: refused("models here have no such setting") })),
  tools: someTools(tool),
  tool_choice: maybe(toolChoice),
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
  reasoning: maybe(
    z.strictObject({
      effort: effortField,
      summary: refused("thoughts are shown as they are"),
      generate_summary: refused("thoughts are shown as they are"),
    }),
  ),
  max_tool_calls: refused("no tools are run here"),
});

export type ResponseBody = z.output<typeof responseBody>;

export function toResponseRequest(body: ResponseBody): InferenceRequest {
  assertStreams(body);
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
        toolSchemaField: "parameters",
        toolChoice: toToolChoice(wanted, tools),
        strictTools: strictNames(body.tools ?? []),
        parallelTools: body.parallel_tool_calls ?? true,
        ...toThinking(body.reasoning?.effort, "reasoning.effort"),
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

function toFormat({ text, json_schema: extension, grammar }: ResponseBody): AnswerFormat {
  const format = text?.format?.type === "text" ? undefined : text?.format;
  assertOneFormat({ "text.format": format, json_schema: extension, grammar });
  if (extension) return { type: "schema", schema: extension, param: "json_schema" };
  if (format?.type === "json_object") return { type: "json" };
  if (format?.type === "json_schema") return { type: "schema", schema: format.schema, param: "text.format.schema" };
  return { type: "text" };
}

function toMessages({ input, instructions }: ResponseBody): ChatMessage[] {
  const system: GrowingMessage[] = instructions ? [{ role: "system", content: instructions }] : [];
  if (typeof input === "string") return [...system, { role: "user", content: input }];
  const messages: GrowingMessage[] = [...system];
  /** What the assistant thought before its next message or call. */
  let thoughts: { thinking?: string } = {};
  for (const [index, one] of input.entries()) {
    if (one.type === "reasoning") {
      const text = toText(one.content ?? []);
      thoughts = text === "" ? {} : { thinking: text };
      continue;
    }
    if (one.type === "function_call_output") {
      messages.push({ role: "tool", content: toText(one.output), toolCallId: one.call_id });
    } else if (one.type === "function_call") {
      const args = parseArguments(one.arguments, `input[${index}].arguments`);
      addCall(messages, { id: one.call_id, name: one.name, arguments: args }, thoughts);
    } else {
      const role = one.role === "developer" ? "system" : one.role;
      messages.push({ role, content: toText(one.content), ...(role === "assistant" ? thoughts : {}) });
    }
    thoughts = {};
  }
  return messages;
}

type GrowingMessage = Omit<ChatMessage, "toolCalls"> & { toolCalls?: ToolCall[] };

/** Calls that follow an assistant's message belong to it. */
function addCall(messages: GrowingMessage[], call: ToolCall, thoughts: { thinking?: string }): void {
  const last = messages.at(-1);
  if (last?.role !== "assistant" || thoughts.thinking !== undefined)
    messages.push({ role: "assistant", content: "", ...thoughts, toolCalls: [call] });
  else (last.toolCalls ??= []).push(call);
}

function toText(parts: string | readonly { text?: string; refusal?: string }[]): string {
  return typeof parts === "string" ? parts : parts.map(({ text, refusal }) => text ?? refusal ?? "").join("");
}
