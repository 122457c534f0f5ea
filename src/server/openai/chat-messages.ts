import { z } from "zod";

import { Problem } from "../http/problem.js";
import { clientsOwn, isShallow, jsonObject, maybe, mostLevels, refused, someTools } from "../http/schema.js";
import type { ChatMessage, ChatPrompt, ToolCall, ToolChoice, ToolDefinition } from "../inference/request.js";
import { argumentsOf } from "../inference/events.js";

const textPart = z.strictObject({ type: z.literal("text"), text: z.string() });
const refusalPart = z.strictObject({ type: z.literal("refusal"), refusal: z.string() });
const otherPart = (type: string, what: string): z.ZodType =>
  z.looseObject({
    type: z.literal(type).superRefine((_, context) => {
      context.addIssue({ code: "custom", message: `Not supported: ${what}`, params: { refused: true } });
    }),
  });
const notText = [
  otherPart("image_url", "images, as the models served here read text"),
  otherPart("input_audio", "audio, as the models served here read text"),
  otherPart("file", "files, as the models served here read text"),
] as const;

const userContent = z.union([z.string(), z.array(z.union([textPart, ...notText])).min(1)]);
const plainContent = z.union([z.string(), z.array(textPart).min(1)]);
const assistantContent = z.union([z.string(), z.array(z.union([textPart, refusalPart])).min(1)]);

const toolCall = z.strictObject({
  id: z.string().min(1),
  type: z.literal("function"),
  function: z.strictObject({ name: z.string().min(1), arguments: z.string(), parsed_arguments: clientsOwn }),
  index: clientsOwn,
});

export const message = z.discriminatedUnion("role", [
  z.strictObject({ role: z.literal(["system", "developer"]), content: plainContent, name: maybe(z.string().min(1)) }),
  z.strictObject({ role: z.literal("user"), content: userContent, name: maybe(z.string().min(1)) }),
  z.strictObject({
    role: z.literal("assistant"),
    content: maybe(assistantContent),
    reasoning_content: maybe(z.string()).meta({ description: "Accepted: what the assistant thought before" }),
    name: maybe(z.string().min(1)),
    refusal: maybe(z.string()),
    tool_calls: maybe(z.array(toolCall)),
    annotations: maybe(z.array(z.unknown())),
    parsed: clientsOwn,
    audio: refused("audio"),
    function_call: refused("function_call is deprecated; use tool_calls"),
  }),
  z.strictObject({
    role: z.literal("tool"),
    content: plainContent,
    tool_call_id: z.string().min(1),
    name: maybe(z.string().min(1)),
  }),
]);

export const messages = z.array(message).min(1);

const aName = z.string().regex(/^[\w-]{1,64}$/, "Expected 1 to 64 letters, digits, _ and -");

export const functionTool = z.strictObject({
  type: z.literal("function"),
  function: z.strictObject({
    name: aName,
    description: maybe(z.string()),
    parameters: maybe(jsonObject),
    strict: maybe(z.boolean()),
  }),
});

export const toolFields = {
  tools: someTools(functionTool),
  tool_choice: maybe(
    z.union([
      z.enum(["none", "auto", "required"]),
      z.strictObject({ type: z.literal("function"), function: z.strictObject({ name: aName }) }),
    ]),
  ),
  parallel_tool_calls: maybe(z.boolean()),
};

type Message = z.output<typeof message>;
interface ToolFields {
  readonly tools?: readonly z.output<typeof functionTool>[] | null | undefined;
  readonly tool_choice?: "none" | "auto" | "required" | { function: { name: string } } | null | undefined;
  readonly parallel_tool_calls?: boolean | null | undefined;
}

export function toChatPrompt(
  list: readonly Message[],
  fields: ToolFields,
  templateVariables: Record<string, unknown> | null | undefined,
): ChatPrompt {
  const tools = (fields.tools ?? []).map(toTool);
  return {
    kind: "chat",
    messages: list.map(toMessage),
    tools,
    toolSchemaField: "function.parameters",
    toolChoice: toToolChoice(fields.tool_choice ?? "auto", tools),
    strictTools: strictNames((fields.tools ?? []).map((tool) => tool.function)),
    parallelTools: fields.parallel_tool_calls ?? true,
    templateVariables: templateVariables ?? undefined,
  };
}

function toMessage(given: Message, index: number): ChatMessage {
  const at = `messages[${index}]`;
  switch (given.role) {
    case "system":
    case "developer":
      return { role: "system", content: toText(given.content), ...named(given.name) };
    case "user":
      return { role: "user", content: toText(given.content as string | readonly Part[]), ...named(given.name) };
    case "tool":
      return { role: "tool", content: toText(given.content), toolCallId: given.tool_call_id, ...named(given.name) };
    case "assistant": {
      const calls = given.tool_calls ?? [];
      const content = toText(given.content ?? given.refusal ?? "");
      const thinking = given.reasoning_content ? { thinking: given.reasoning_content } : {};
      if (calls.length === 0) return { role: "assistant", content, ...thinking, ...named(given.name) };
      const toolCalls = calls.map((call, position) => toCall(call, `${at}.tool_calls[${position}]`));
      return { role: "assistant", content, ...thinking, toolCalls };
    }
  }
}

interface Part {
  readonly text?: string;
  readonly refusal?: string;
}

function toText(content: string | readonly Part[]): string {
  return typeof content === "string" ? content : content.map((part) => part.text ?? part.refusal ?? "").join("");
}

function named(name: string | null | undefined): { name?: string } {
  return name === null || name === undefined ? {} : { name };
}

function toCall({ id, function: { name, arguments: json } }: z.output<typeof toolCall>, at: string): ToolCall {
  return { id, name, arguments: parseArguments(json, `${at}.function.arguments`) };
}

/** The JSON of a call's arguments; of a call that was cut, which a client sends back as it came, what is whole of it. */
export function parseArguments(json: string, param: string): Record<string, unknown> {
  const found = json === "" ? {} : argumentsOf(json);
  if (found === undefined) throw new Problem("invalid_request", `${param}: Expected the JSON of an object`, { param });
  if (isShallow(found)) return found;
  throw new Problem("invalid_request", `${param}: Expected at most ${mostLevels} levels of nesting`, { param });
}

function toTool({ function: { name, description, parameters } }: z.output<typeof functionTool>): ToolDefinition {
  return {
    type: "function",
    function: { name, ...(description ? { description } : {}), ...(parameters ? { parameters } : {}) },
  };
}

export function strictNames(tools: readonly { name: string; strict?: boolean | null | undefined }[]): string[] {
  return tools.filter(({ strict }) => strict === true).map(({ name }) => name);
}

export function toToolChoice(
  choice: NonNullable<ToolFields["tool_choice"]>,
  tools: readonly ToolDefinition[],
): ToolChoice {
  if (choice === "none" || choice === "auto") return choice;
  if (tools.length === 0) {
    throw new Problem("invalid_request", "tool_choice: There are no tools to choose from", { param: "tool_choice" });
  }
  if (choice === "required") return choice;
  const { name } = choice.function;
  if (tools.some((tool) => tool.function.name === name)) return { name };
  const message = `tool_choice: There is no tool ${JSON.stringify(name)} among tools`;
  throw new Problem("invalid_request", message, { param: "tool_choice" });
}
