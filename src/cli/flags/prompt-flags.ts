import type { TextPrompt } from "../../chat/prompt-source.js";
import type { ChatSessionOptions, SendOptions } from "../../chat/session-options.js";
import type { RequestOptions } from "../../context/request-options.js";
import type { FlagsFor } from "./flag-table.js";
import { jsonObject } from "./values.js";

export const sessionFlags = {
  system: { value: "<text>", orFile: true, help: "what the model shall keep to in every answer" },
  template: { name: "chat-template", value: "<jinja>", orFile: true, help: "in place of the model's own" },
  messages: null,
  defaults: null,
} satisfies FlagsFor<ChatSessionOptions>;

export const sendFlags = {
  templateVariables: {
    value: "<json>",
    parse: jsonObject("templateVariables"),
    help: "further variables of the template",
  },
  thinking: { name: "no-thinking", help: "have a model that thinks before it answers do without" },
  thinkingInText: { help: "leave what the model thinks in the text, with its marks" },
  tools: null,
  toolChoice: null,
  parallelToolCalls: null,
} satisfies FlagsFor<Omit<SendOptions, keyof RequestOptions>>;

export const textPromptFlags = {
  addSpecial: { name: "no-add-special", help: "leave out what the vocabulary asks for, as a leading BOS" },
  parseSpecial: { name: "no-parse-special", help: "take the text of control tokens as plain text" },
} satisfies FlagsFor<Omit<TextPrompt, "prompt" | "messages" | "tokens">>;
