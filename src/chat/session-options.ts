import type { RequestOptions } from "../context/request-options.js";
import { InvalidOptionError } from "../errors.js";
import type { Check, OptionsOf, RulesFor } from "../validate.js";
import { aString, anArrayOf, asRecord, optional, readOptions, withDefault } from "../validate.js";
import type { ChatMessage, PlainMessage } from "./messages.js";
import { readMessage } from "./messages.js";
import type { TemplateOptions } from "./prompt-source.js";
import { aTemplate, sendRules } from "./prompt-source.js";

/** What an answer of a session can be asked for: everything of a request but its prompt. */
export type SendOptions = RequestOptions & Omit<TemplateOptions, "template">;

export interface ChatSessionOptions {
  /** What the model shall know and keep to in every answer. */
  system?: string | null | undefined;
  /** A conversation to go on with. */
  messages?: readonly ChatMessage[] | undefined;
  /** A template other than the model's own, or the source of one. */
  template?: TemplateOptions["template"];
  /** Options for every `send`, which may override them one by one. */
  defaults?: Omit<SendOptions, "signal" | "onToken"> | undefined;
}

/** A session as JSON: `JSON.stringify(session)` writes it, `ChatSession.fromJSON` takes it. */
export interface ChatSessionState {
  readonly version: 1;
  readonly system: string | null;
  readonly messages: readonly ChatMessage[];
}

export const aSystemText: Check<string | null> = (value, name) => {
  if (value !== null && typeof value !== "string") throw new InvalidOptionError(name, "a string or null", value);
  return value;
};

const someHistory: Check<PlainMessage[]> = anArrayOf(readMessage, "an array of messages");

/** Checked here, so that a mistake shows at once; read again together with the options of each `send`. */
const someDefaults: Check<Record<string, unknown>> = (value, name) => {
  const { signal: _signal, onToken: _onToken, ...rules } = sendRules;
  readOptions(name, rules, asRecord(value, name), `${name}.`);
  return { ...asRecord(value, name) };
};

export const sessionRules = {
  system: withDefault(aSystemText, null),
  messages: withDefault(someHistory, []),
  template: optional(aTemplate),
  defaults: withDefault(someDefaults, {}),
} satisfies RulesFor<ChatSessionOptions>;

export type ReadSessionOptions = OptionsOf<typeof sessionRules>;

export function readSessionState(json: unknown): ChatSessionState {
  const state = asRecord(json, "the saved session");
  if (state["version"] !== 1) throw new InvalidOptionError("version of the saved session", "1", state["version"]);
  return {
    version: 1,
    system: state["system"] === null ? null : aString(state["system"], "system of the saved session"),
    messages: someHistory(state["messages"], "messages of the saved session"),
  };
}
