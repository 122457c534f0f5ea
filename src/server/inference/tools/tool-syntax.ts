import type { ToolDefinition } from "../request.js";
import { parseJson, partsOf } from "./cut-json.js";

/** How a model writes that it calls tools. */
export interface ToolSyntax {
  /** What calls begin with; null where an answer that is JSON from its first character is one. */
  readonly trigger: string | null;
  /** Whether the trigger is a control token, which is not part of the text unless it is asked for. */
  readonly triggerIsSpecial: boolean;
  /** The JSON in a text that begins with the trigger: each of one call, or of a list of calls. */
  bodies(text: string): string[];
  /** A grammar's rule for one call, or several where `parallel`, behind the trigger; `call` stands for the JSON of one. */
  calls(parallel: boolean): string;
}

export interface FoundCall {
  readonly name: string;
  /** JSON of an object, or the beginning of one. */
  readonly arguments: string;
  readonly isWhole: boolean;
}

const mostCalls = 8;
const more = (separator: string): string => `(${separator} call){0,${mostCalls - 1}}`;

/** `<tool_call>{"name": …, "arguments": …}</tool_call>`: Hermes, Qwen and many others. */
const tagged: ToolSyntax = {
  trigger: "<tool_call>",
  triggerIsSpecial: false,
  bodies: (text) => [...text.matchAll(/<tool_call>\s*(.*?)\s*(?:<\/tool_call>|$)/gs)].map(([, body = ""]) => body),
  calls: (parallel) => {
    const one = String.raw`"\n" call "\n</tool_call>"`;
    return parallel ? String.raw`${one} ("\n<tool_call>" ${one}){0,${mostCalls - 1}}` : one;
  },
};

/** `[TOOL_CALLS] [{"name": …, "arguments": …}]`: Mistral since v0.3. */
const mistral: ToolSyntax = {
  trigger: "[TOOL_CALLS]",
  triggerIsSpecial: true,
  bodies: (text) => [text.slice("[TOOL_CALLS]".length).trimStart()],
  calls: (parallel) => `" "? "[" call ${parallel ? more(`"," " "?`) : ""} "]"`,
};

/** `{"name": …, "parameters": …}` and nothing else: Llama 3, and models that are told so. */
const plain: ToolSyntax = {
  trigger: null,
  triggerIsSpecial: false,
  bodies: (text) => [text],
  calls: (parallel) => (parallel ? `call | "[" call ${more(`"," " "?`)} "]"` : "call"),
};

/** The syntax a chat template speaks of. */
export function syntaxOfTemplate(source: string): ToolSyntax {
  return [mistral, tagged].find(({ trigger }) => trigger !== null && source.includes(trigger)) ?? plain;
}

/** Tells a model whose template knows no tools what there is and how to call it. */
export function describeTools(tools: readonly ToolDefinition[]): string {
  const list = tools.map((tool) => JSON.stringify(tool.function)).join("\n");
  return (
    `You can call these tools, given as JSON:\n${list}\n\n` +
    'To call one, answer with nothing but JSON: {"name": <name of the tool>, "arguments": <object>}. ' +
    "Otherwise answer in plain words."
  );
}

/** The calls in a text that begins with the trigger; none where anything of it is something else. */
export function findCalls(text: string, syntax: ToolSyntax): FoundCall[] {
  const values = syntax.bodies(text).map(parseJson);
  const calls = values.flatMap((value) => (Array.isArray(value) ? (value as unknown[]) : [value])).map(toCall);
  return calls.includes(undefined) ? [] : calls.filter((call) => call !== undefined);
}

/** Of a text that was cut: calls of which at least the name is there. */
export function findCutCalls(text: string, syntax: ToolSyntax): FoundCall[] {
  const texts = syntax.bodies(text).flatMap((body) => {
    return body.startsWith("[") ? partsOf(body).map((part) => part.text) : [body];
  });
  return texts.map(toCutCall).filter((call) => call !== undefined);
}

function toCutCall(text: string): FoundCall | undefined {
  const parts = partsOf(text);
  const name = parts.find(({ key }) => key === "name");
  const called = name?.isWhole === true ? parseJson(name.text) : undefined;
  if (typeof called !== "string") return undefined;
  const args = parts.find(({ key }) => key === "arguments" || key === "parameters");
  if (args?.text.startsWith("{") === false) return undefined;
  if (args?.isWhole === true) return toCall({ name: called, arguments: parseJson(args.text) });
  return { name: called, arguments: args?.text ?? "", isWhole: false };
}

function toCall(value: unknown): FoundCall | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { name, arguments: given, parameters } = value as Record<string, unknown>;
  const args = given ?? parameters;
  if (typeof name !== "string" || typeof args !== "object" || args === null || Array.isArray(args)) return undefined;
  return { name, arguments: JSON.stringify(args), isWhole: true };
}
