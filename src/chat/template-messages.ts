import type { ChatRole, PlainMessage, ToolCall } from "./messages.js";

/** A message as templates know it. */
export interface TemplateMessage {
  role: ChatRole;
  content: string | { type: "text"; text: string }[];
  reasoning_content?: string;
  name?: string;
  tool_calls?: TemplateToolCall[];
  tool_call_id?: string;
}

interface TemplateToolCall {
  type: "function";
  id?: string;
  function: { name: string; arguments: unknown };
}

/** In which of several customary forms a template takes its variables. */
export interface TemplateForm {
  /** Whether a message's content is a string, or an array of parts. */
  readonly content: "string" | "parts";
  /** Whether the arguments of a tool's call are an object, or its JSON. */
  readonly toolArguments: "object" | "json";
  /** What stands for no tools. */
  readonly noTools: null | readonly [];
}

export function toTemplateMessage(message: PlainMessage, form: TemplateForm): TemplateMessage {
  const { role, content, thinking, name, toolCalls, toolCallId } = message;
  return {
    role,
    content: form.content === "string" ? content : [{ type: "text", text: content }],
    ...(thinking === undefined ? {} : { reasoning_content: thinking }),
    ...(name === undefined ? {} : { name }),
    ...(toolCalls === undefined ? {} : { tool_calls: toolCalls.map((call) => toTemplateCall(call, form)) }),
    ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
  };
}

function toTemplateCall(call: ToolCall, { toolArguments }: TemplateForm): TemplateToolCall {
  return {
    type: "function",
    ...(call.id === undefined ? {} : { id: call.id }),
    function: {
      name: call.name,
      arguments: toolArguments === "json" ? JSON.stringify(call.arguments) : call.arguments,
    },
  };
}
