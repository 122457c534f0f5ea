import { InvalidOptionError } from "../errors.js";
import type { Check, RulesFor } from "../validate.js";
import { aBoolean, aNonEmptyString, aString, asRecord, oneOf, optional, readOptions, required } from "../validate.js";
import { aJsonValue, mapStrings } from "./json-values.js";

export type ChatRole = "system" | "user" | "assistant" | "tool";

export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

/** A call of a tool that the assistant asked for. */
export interface ToolCall {
  readonly id?: string | undefined;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface ChatMessage {
  readonly role: ChatRole;
  /** Parts are joined without anything between them. May be left out of an assistant message with `toolCalls`. */
  readonly content?: string | readonly TextPart[] | undefined;
  /**
   * What the assistant thought before it said `content`; templates get it as `reasoning_content`, and show the model what they
   * like of it.
   */
  readonly thinking?: string | undefined;
  /** Name of the tool, in a message of role "tool". */
  readonly name?: string | undefined;
  readonly toolCalls?: readonly ToolCall[] | undefined;
  /** The `id` of the call that a message of role "tool" answers. */
  readonly toolCallId?: string | undefined;
}

/** A checked message whose content is one text. */
export interface PlainMessage {
  readonly role: ChatRole;
  readonly content: string;
  readonly thinking?: string;
  readonly name?: string;
  readonly toolCalls?: readonly ToolCall[];
  readonly toolCallId?: string;
}

const aRole = oneOf("system", "user", "assistant", "tool");

const aTextPart: Check<string> = (value, name) => {
  const part = asRecord(value, name);
  if (part["type"] !== "text") throw new InvalidOptionError(`${name}.type`, '"text"', part["type"]);
  return aString(part["text"], `${name}.text`);
};

const aContent: Check<string> = (value, name) => {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) throw new InvalidOptionError(name, "a string or an array of text parts", value);
  return value.map((part: unknown, index) => aTextPart(part, `${name}[${index}]`)).join("");
};

const toolCallRules = {
  id: optional(aNonEmptyString),
  name: required(aNonEmptyString),
  arguments: required<Record<string, unknown>>((value, name) => aJsonValue(asRecord(value, name), name)),
} satisfies RulesFor<ToolCall>;
/** What a generated call has besides, which says nothing new. */
const generatedRules = { ...toolCallRules, json: optional(aString), isWhole: optional(aBoolean) };

const someToolCalls: Check<ToolCall[]> = (value, name) => {
  if (!Array.isArray(value)) throw new InvalidOptionError(name, "an array of tool calls", value);
  return value.map((call: unknown, index) => {
    const owner = `${name}[${index}]`;
    const {
      json: _json,
      isWhole: _isWhole,
      ...read
    } = readOptions(owner, generatedRules, asRecord(call, owner), `${owner}.`);
    return read;
  });
};

const messageRules = {
  role: required(aRole),
  content: optional(aContent),
  thinking: optional(aString),
  name: optional(aNonEmptyString),
  toolCalls: optional(someToolCalls),
  toolCallId: optional(aNonEmptyString),
} satisfies RulesFor<ChatMessage>;

export function readMessage(value: unknown, name: string): PlainMessage {
  const read = readOptions(name, messageRules, asRecord(value, name), `${name}.`);
  for (const option of ["toolCalls", "thinking"] as const) {
    if (read[option] === undefined || read.role === "assistant") continue;
    throw new InvalidOptionError(`${name}.${option}`, `no value in a message of role "${read.role}"`, read[option]);
  }
  if (read.content === undefined && read.toolCalls === undefined) {
    throw new InvalidOptionError(`${name}.content`, "a string or an array of text parts", undefined);
  }
  return {
    role: read.role,
    content: read.content ?? "",
    ...(read.thinking === undefined || read.thinking === "" ? {} : { thinking: read.thinking }),
    ...(read.name === undefined ? {} : { name: read.name }),
    ...(read.toolCalls === undefined || read.toolCalls.length === 0 ? {} : { toolCalls: read.toolCalls }),
    ...(read.toolCallId === undefined ? {} : { toolCallId: read.toolCallId }),
  };
}

/** A conversation of any roles in any order; only an empty one is refused. */
export const someMessages: Check<PlainMessage[]> = (value, name) => {
  if (!Array.isArray(value) || value.length === 0)
    throw new InvalidOptionError(name, "a non-empty array of messages", value);
  return value.map((message: unknown, index) => readMessage(message, `${name}[${index}]`));
};

/** Every text of a message through `map`, but for its role. */
export function mapTexts(message: PlainMessage, map: (text: string) => string): PlainMessage {
  const { role, content, thinking, name, toolCalls, toolCallId } = message;
  return {
    role,
    content: map(content),
    ...(thinking === undefined ? {} : { thinking: map(thinking) }),
    ...(name === undefined ? {} : { name: map(name) }),
    ...(toolCalls === undefined ? {} : { toolCalls: toolCalls.map((call) => mapCallTexts(call, map)) }),
    ...(toolCallId === undefined ? {} : { toolCallId: map(toolCallId) }),
  };
}

function mapCallTexts(call: ToolCall, map: (text: string) => string): ToolCall {
  return {
    ...(call.id === undefined ? {} : { id: map(call.id) }),
    name: map(call.name),
    arguments: mapStrings(call.arguments, map, "keys too"),
  };
}
