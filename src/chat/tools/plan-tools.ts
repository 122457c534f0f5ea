import { InvalidOptionError } from "../../errors.js";
import type { AnswerParser } from "../../generation/answer-parser.js";
import type { Check } from "../../validate.js";
import { asRecord } from "../../validate.js";
import type { ChatTemplate, ToolDefinition } from "../chat-template.js";
import type { ChatMessage, PlainMessage } from "../messages.js";
import { textOrToolGrammar, toolGrammar } from "./tool-grammar.js";
import { ToolReader } from "./tool-reader.js";
import type { ToolSyntax } from "./tool-syntax.js";
import { describeTools, syntaxOfTemplate } from "./tool-syntax.js";

/** Whether the model may call tools, must call some, or has to call this one, and once. */
export type ToolChoice = "auto" | "none" | "required" | { readonly name: string };

export interface ToolOptions {
  readonly tools: readonly ToolDefinition[] | undefined;
  readonly toolChoice: ToolChoice;
  readonly parallelToolCalls: boolean;
}

/** What tools mean for a request. */
export interface ToolPlan {
  /** What the template is given. */
  readonly tools: readonly ToolDefinition[] | undefined;
  /** The conversation, with the tools in words where the template does not show them. */
  readonly messages: readonly PlainMessage[];
  /** Undefined where none may be called. */
  readonly reader: AnswerParser | undefined;
  /** What the request has to have besides. */
  readonly options: { readonly renderSpecial?: true; readonly grammar?: string };
}

export const aToolChoice: Check<ToolChoice> = (value, name) => {
  if (value === "auto" || value === "none" || value === "required") return value;
  const wanted = typeof value === "object" && value !== null ? asRecord(value, name)["name"] : undefined;
  if (typeof wanted === "string") return { name: wanted };
  throw new InvalidOptionError(name, '"auto", "none", "required" or { name: … }', value);
};

/** Throws `INVALID_OPTION` for a choice that cannot be, and for a schema that no grammar can keep where one has to. */
export function planTools(template: ChatTemplate, messages: readonly PlainMessage[], options: ToolOptions): ToolPlan {
  const { toolChoice } = options;
  // Who wants one tool by name wants one call, as OpenAI's models make it.
  const parallel = options.parallelToolCalls && typeof toolChoice !== "object";
  const tools = toolChoice === "none" ? [] : (options.tools ?? []);
  const names = tools.map((tool) => tool.function.name);
  checkChoice(toolChoice, names);
  if (tools.length === 0) return { tools: undefined, messages, reader: undefined, options: {} };
  const syntax = toolSyntax(template);
  const grammar = planGrammar(tools, syntax, toolChoice, parallel);
  return {
    ...showTools(template, messages, tools),
    reader: new ToolReader(syntax, names, { isForced: toolChoice !== "auto", parallel }),
    options: {
      ...(syntax.triggerIsSpecial ? { renderSpecial: true } : {}),
      ...(grammar === undefined ? {} : { grammar }),
    },
  };
}

/** How a model with this template writes that it calls tools. */
export function toolSyntax(template: ChatTemplate): ToolSyntax {
  return syntaxOfTemplate(template.showsTools ? template.source : "");
}

/** A conversation with tools as the template is given it: in words where it does not show them. */
export function showTools<Message extends ChatMessage>(
  template: ChatTemplate,
  messages: readonly Message[],
  given: readonly ToolDefinition[],
): {
  messages: readonly (Message | { role: "system"; content: string })[];
  tools: readonly ToolDefinition[] | undefined;
} {
  if (given.length === 0) return { messages, tools: undefined };
  const tools = given.map(withoutStrict);
  if (template.showsTools) return { messages, tools };
  return { messages: [{ role: "system", content: describeTools(tools) }, ...messages], tools: undefined };
}

function checkChoice(choice: ToolChoice, names: readonly string[]): void {
  if (choice === "auto" || choice === "none") return;
  if (names.length === 0) throw new InvalidOptionError("toolChoice", '"auto" or "none" without tools', choice);
  if (choice === "required" || names.includes(choice.name)) return;
  throw new InvalidOptionError("toolChoice.name", `one of ${names.join(", ")}`, choice.name);
}

/** What the answer has to keep to where a tool must be called, or is to be called with nothing but what its schema allows. */
function planGrammar(
  given: readonly ToolDefinition[],
  syntax: ToolSyntax,
  toolChoice: ToolChoice,
  parallel: boolean,
): string | undefined {
  const tools = given.map(({ function: { name, parameters, strict } }, index) => ({
    name,
    parameters,
    path: `tools[${index}].function.parameters`,
    isStrict: strict === true,
  }));
  if (typeof toolChoice === "object") {
    const wanted = tools.filter(({ name }) => name === toolChoice.name);
    return toolGrammar(wanted, syntax, parallel);
  }
  if (toolChoice === "required") return toolGrammar(tools, syntax, parallel);
  if (!tools.some(({ isStrict }) => isStrict)) return undefined;
  const kept = tools.map((tool) => (tool.isStrict ? tool : { ...tool, parameters: undefined }));
  return textOrToolGrammar(kept, syntax, parallel);
}

function withoutStrict({ type, function: { strict: _, ...rest } }: ToolDefinition): ToolDefinition {
  return { type, function: rest };
}
