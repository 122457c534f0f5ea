import { z } from "zod";

import { Problem } from "../http/problem.js";
import { jsonObject, maybe, refused, someTools } from "../http/schema.js";
import type { AnswerFormat, ChatMessage, ChatPrompt, InferenceRequest, ToolChoice } from "../inference/request.js";

const cacheControl = z.unknown().optional().meta({ description: "Accepted: prefixes are cached by themselves" });

const text = z.strictObject({
  type: z.literal("text"),
  text: z.string(),
  cache_control: cacheControl,
  citations: refused("citations"),
});
const toolUse = z.strictObject({
  type: z.literal("tool_use"),
  id: z.string().min(1),
  name: z.string().min(1),
  input: jsonObject,
  cache_control: cacheControl,
});
const toolResult = z.strictObject({
  type: z.literal("tool_result"),
  tool_use_id: z.string().min(1),
  content: maybe(z.union([z.string(), z.array(text)])),
  is_error: maybe(z.boolean()),
  cache_control: cacheControl,
});
/** What the assistant thought. */
const thought = z.strictObject({
  type: z.literal("thinking"),
  thinking: z.string(),
  signature: maybe(z.string()).meta({ description: "Accepted: signs nothing here" }),
});
const block = z.discriminatedUnion("type", [text, thought, toolUse, toolResult]);

const message = z.strictObject({
  role: z.enum(["user", "assistant"]),
  content: z.union([z.string(), z.array(block).min(1)]),
});

const tool = z.strictObject({
  type: maybe(z.literal("custom", "Not supported: tools that the server would run")),
  name: z.string().regex(/^[\w-]{1,128}$/, "Expected 1 to 128 letters, digits, _ and -"),
  description: maybe(z.string()),
  input_schema: jsonObject,
  strict: maybe(z.boolean()),
  cache_control: cacheControl,
});

const outputConfig = z.strictObject({
  format: maybe(z.strictObject({ type: z.literal("json_schema"), schema: jsonObject })),
  effort: refused("models here have no such setting"),
});

const parallel = { disable_parallel_tool_use: maybe(z.boolean()) };

export const countBody = z.strictObject({
  model: maybe(z.string().min(1)),
  messages: z.array(message).min(1),
  system: maybe(z.union([z.string(), z.array(text)])),
  tools: someTools(tool),
  tool_choice: maybe(
    z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("auto"), ...parallel }),
      z.strictObject({ type: z.literal("any"), ...parallel }),
      z.strictObject({ type: z.literal("tool"), name: z.string().min(1), ...parallel }),
      z.strictObject({ type: z.literal("none") }),
    ]),
  ),
  thinking: maybe(
    z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("disabled") }),
      z.strictObject({ type: z.literal("adaptive"), display: refused("thoughts are shown as they are") }),
      z.looseObject({
        type: z.literal("enabled").superRefine((_, context) => {
          const message = "Not supported: a budget of thoughts; adaptive has the model think as long as it likes";
          context.addIssue({ code: "custom", message, params: { refused: true } });
        }),
      }),
    ]),
  ),
  mcp_servers: refused("servers of tools"),
  output_config: maybe(outputConfig),
  cache_control: cacheControl,
});

export const messageBody = z.strictObject({
  ...countBody.shape,
  max_tokens: z.int().min(1).max(0x7fffffff),
  stop_sequences: maybe(z.array(z.string().min(1)).max(64)),
  stream: maybe(z.boolean()),
  temperature: maybe(z.number().min(0).max(1)),
  top_k: maybe(z.int().min(0).max(0x7fffffff)),
  top_p: maybe(z.number().min(0).max(1)),
  metadata: maybe(z.strictObject({ user_id: maybe(z.string()) })),
  service_tier: refused("there is one tier", "auto", "standard_only"),
  container: refused("containers"),
  context_management: refused("prompts are never cut"),
});

type MessageBody = z.output<typeof messageBody>;
type CountBody = z.output<typeof countBody>;
type Block = z.output<typeof block>;

export function toMessageRequest(body: MessageBody): InferenceRequest {
  const { temperature, top_k: topK, top_p: topP, stop_sequences: stop } = body;
  return {
    model: body.model ?? undefined,
    prompts: [toChatPrompt(body)],
    n: 1,
    options: {
      maxTokens: body.max_tokens,
      ...(typeof temperature === "number" ? { temperature } : {}),
      ...(typeof topK === "number" ? { topK } : {}),
      ...(typeof topP === "number" ? { topP } : {}),
      ...(stop ? { stop } : {}),
    },
    format: toFormat(body),
    echo: false,
    countsPrompt: body.stream === true,
    user: body.metadata?.user_id ?? undefined,
    metadata: undefined,
  };
}

function toFormat({ output_config: config }: MessageBody): AnswerFormat {
  const format = config?.format;
  return format ? { type: "schema", schema: format.schema, param: "output_config.format.schema" } : { type: "text" };
}

export function toChatPrompt(body: CountBody): ChatPrompt {
  const { system, tool_choice: choice } = body;
  const first: ChatMessage[] = system ? [{ role: "system", content: joined(system, "\n\n") }] : [];
  const tools = (body.tools ?? []).map(({ name, description, input_schema: parameters }) => ({
    type: "function" as const,
    function: { name, parameters, ...(description ? { description } : {}) },
  }));
  const names = tools.map((one) => one.function.name);
  const { messages, answerStart } = withoutAnswerStart(body.messages.flatMap(toMessages));
  const toolChoice = toToolChoice(choice, names);
  if (answerStart !== undefined && toolChoice !== "auto" && toolChoice !== "none") {
    const message = "tool_choice: Not supported: a tool that must be called after an answer that was begun";
    throw new Problem("unsupported", message, { param: "tool_choice" });
  }
  return {
    kind: "chat",
    messages: [...first, ...messages],
    // Anthropic's models think where they are asked to, and not otherwise.
    thinking: { wanted: body.thinking?.type === "adaptive", param: "thinking" },
    tools,
    toolSchemaField: "input_schema",
    strictTools: (body.tools ?? []).filter(({ strict }) => strict === true).map(({ name }) => name),
    toolChoice,
    parallelTools: !(choice && "disable_parallel_tool_use" in choice && choice.disable_parallel_tool_use === true),
    templateVariables: undefined,
    answerStart,
  };
}

/** A conversation that ends with the assistant's words asks to go on from these. */
function withoutAnswerStart(messages: readonly ChatMessage[]): {
  messages: readonly ChatMessage[];
  answerStart: string | undefined;
} {
  const begins = messages.findLastIndex(({ role, toolCalls }) => role !== "assistant" || toolCalls !== undefined) + 1;
  if (messages.slice(begins).some(({ thinking = "" }) => thinking !== "")) {
    const message = "messages: Not supported: going on from an answer with its thoughts";
    throw new Problem("unsupported", message, { param: "messages" });
  }
  const begun = messages.slice(begins).map(({ content }) => content as string);
  return { messages: messages.slice(0, begins), answerStart: begun.length === 0 ? undefined : begun.join("\n\n") };
}

function toToolChoice(choice: CountBody["tool_choice"], names: readonly string[]): ToolChoice {
  if (!choice || choice.type === "auto") return "auto";
  if (choice.type === "none") return "none";
  const known = choice.type === "tool" ? names.includes(choice.name) : names.length > 0;
  if (!known) throw new Problem("invalid_request", "tool_choice: There is no such tool", { param: "tool_choice" });
  return choice.type === "tool" ? { name: choice.name } : "required";
}

/** Results of tools stand in messages of the user here, and in messages of their own there. */
function toMessages({ role, content }: z.output<typeof message>): ChatMessage[] {
  if (typeof content === "string") return [{ role, content }];
  const results = content.filter((one) => one.type === "tool_result").map(toResult);
  const calls = content.filter((one) => one.type === "tool_use");
  const said = content.filter((one) => one.type === "text");
  const thoughts = content.filter((one) => one.type === "thinking").map((one) => one.thinking);
  const thinking = thoughts.length > 0 ? { thinking: thoughts.join("\n\n") } : {};
  if (role === "assistant" && calls.length > 0) {
    const toolCalls = calls.map(({ id, name, input }) => ({ id, name, arguments: input }));
    return [{ role, content: joined(said, ""), ...thinking, toolCalls }];
  }
  const isResult = said.length === 0 && results.length > 0;
  return isResult ? results : [...results, { role, content: joined(said, ""), ...thinking }];
}

/** Templates know no failed calls, so that the result says it in words. */
function toResult({
  tool_use_id: id,
  content,
  is_error: failed,
}: Extract<Block, { type: "tool_result" }>): ChatMessage {
  const text = joined(content ?? "", "");
  return { role: "tool", content: failed === true ? `Error: ${text}` : text, toolCallId: id };
}

function joined(parts: string | readonly { text: string }[], between: string): string {
  return typeof parts === "string" ? parts : parts.map((part) => part.text).join(between);
}
