import type { ToolDefinition } from "../chat-template.js";

/** How a model writes that it calls tools. */
export interface ToolSyntax {
  /** What calls begin with; null where an answer that is JSON from its first character is one. */
  readonly trigger: string | null;
  /** Whether the trigger is a control token, which is not part of the text unless it is asked for. */
  readonly triggerIsSpecial: boolean;
  /** What is behind a call's JSON, or null. */
  readonly end: string | null;
  /** What a grammar has between a call's name and its arguments, where these are no members of one object; or null. */
  readonly beforeArguments: string | null;
  /** A grammar's rule for one call, or several where `parallel`, behind the trigger; `the--call` stands for one. */
  calls(parallel: boolean): string;
}

const mostCalls = 8;
const more = (separator: string): string => `(${separator} the--call){0,${mostCalls - 1}}`;

/** `<tool_call>{"name": …, "arguments": …}</tool_call>`: Hermes, Qwen and many others. */
const tagged: ToolSyntax = {
  trigger: "<tool_call>",
  triggerIsSpecial: false,
  end: "</tool_call>",
  beforeArguments: null,
  calls: (parallel) => {
    const one = String.raw`"\n" the--call "\n</tool_call>"`;
    return parallel ? String.raw`${one} ("\n<tool_call>" ${one}){0,${mostCalls - 1}}` : one;
  },
};

/** `[TOOL_CALLS] [{"name": …, "arguments": …}]`: Mistral since v0.3. */
const mistral: ToolSyntax = {
  trigger: "[TOOL_CALLS]",
  triggerIsSpecial: true,
  end: null,
  beforeArguments: null,
  calls: (parallel) => `" "? "[" the--call ${parallel ? more(`"," " "?`) : ""} "]"`,
};

/** `[TOOL_CALLS]name[ARGS]{…}`, and the next one behind it in the same way: Mistral's models of 2025. */
const mistralNamed: ToolSyntax = {
  trigger: "[TOOL_CALLS]",
  triggerIsSpecial: true,
  end: null,
  beforeArguments: `"[ARGS]"`,
  calls: (parallel) => (parallel ? `the--call ("[TOOL_CALLS]" the--call){0,${mostCalls - 1}}` : "the--call"),
};

/** The first of them write an identifier too: `[TOOL_CALLS]name[CALL_ID]a1B2c3D4e[ARGS]{…}`. */
const mistralIdentified: ToolSyntax = {
  ...mistralNamed,
  beforeArguments: `"[CALL_ID]" [a-zA-Z0-9]{9} "[ARGS]"`,
};

/** The name in what is between the trigger and the arguments. */
export function nameBeforeArguments(text: string): string {
  return text.replace(/(\[CALL_ID\].*)?(\[ARGS\]\s*)?$/s, "").trim();
}

/** `{"name": …, "parameters": …}` and nothing else: Llama 3, and models that are told so. */
const plain: ToolSyntax = {
  trigger: null,
  triggerIsSpecial: false,
  end: null,
  beforeArguments: null,
  calls: (parallel) => (parallel ? `the--call | "[" the--call ${more(`"," " "?`)} "]"` : "the--call"),
};

/** The syntax a chat template speaks of. */
export function syntaxOfTemplate(source: string): ToolSyntax {
  if (source.includes("[TOOL_CALLS]") && source.includes("[ARGS]")) {
    return source.includes("[CALL_ID]") ? mistralIdentified : mistralNamed;
  }
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
