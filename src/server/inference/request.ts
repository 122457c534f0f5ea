import type { ToolDefinition } from "../../chat/chat-template.js";
import type { ChatMessage } from "../../chat/messages.js";
import type { RequestOptions } from "../../context/request-options.js";

export type { ChatMessage, ChatRole, ToolCall } from "../../chat/messages.js";
export type { ToolDefinition } from "../../chat/chat-template.js";
export type { RequestOptions } from "../../context/request-options.js";

/** What every dialect's request for text becomes. */
export interface InferenceRequest {
  /** The name the client gave, or undefined for the server's first model. */
  readonly model: string | undefined;
  /** One answer each, or `n` of them; without any the model is only loaded. */
  readonly prompts: readonly Prompt[];
  /** Answers for each prompt. */
  readonly n: number;
  readonly options: Omit<RequestOptions, "signal" | "onToken">;
  readonly format: AnswerFormat;
  /** Whether the answer has log-probabilities for its own sake, and goes without where a content filter reads it. */
  readonly logprobsAreOptional?: boolean;
  /** Begin each answer's text with its prompt. */
  readonly echo: boolean;
  /** Whether the stream's beginning must know how long the prompt is. */
  readonly countsPrompt: boolean;
  /** Who asks, as far as the client says; for the content filter and the log. */
  readonly user: string | undefined;
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
}

export type Prompt = ChatPrompt | TextPrompt | TokensPrompt | GapPrompt;

export interface ChatPrompt {
  readonly kind: "chat";
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly ToolDefinition[];
  /** Where within a tool of the request its schema is, for messages. */
  readonly toolSchemaField: string;
  readonly toolChoice: ToolChoice;
  /** Names of tools whose calls must keep to the schema, also where none has to be called; none where it is left out. */
  readonly strictTools?: readonly string[];
  /** Whether an answer may call several tools at once. */
  readonly parallelTools: boolean;
  /** Whether a model that can think before it answers does so; by default as its template has it. */
  readonly thinking?: ThinkingWish | undefined;
  /** Whether what it thinks is a part of the answer's text. Default false. */
  readonly thinkingInText?: boolean;
  readonly templateVariables: Readonly<Record<string, unknown>> | undefined;
  /** What the answer begins with, where the client has written that. */
  readonly answerStart?: string | undefined;
}

export interface ThinkingWish {
  readonly wanted: boolean;
  /** How much, for templates that know of that. */
  readonly effort?: string;
  /** The field it is from, for messages. */
  readonly param: string;
}

export type ToolChoice = "auto" | "none" | "required" | { readonly name: string };

export interface TextPrompt {
  readonly kind: "text";
  readonly text: string;
}

export interface TokensPrompt {
  readonly kind: "tokens";
  readonly tokens: readonly number[];
  /** The field they are from, for messages. */
  readonly param: string;
}

/** A gap in a text that is to be filled. */
export interface GapPrompt {
  readonly kind: "gap";
  readonly before: string;
  readonly after: string;
}

/** What the answer must look like. `param` is the field that asked for it, for messages. */
export type AnswerFormat =
  | { readonly type: "text" }
  | { readonly type: "json" }
  | { readonly type: "schema"; readonly schema: unknown; readonly param: string };

/** A request for one text with nothing special about it. */
export const plainRequest = {
  n: 1,
  format: { type: "text" },
  echo: false,
  countsPrompt: false,
  user: undefined,
  metadata: undefined,
} as const satisfies Partial<InferenceRequest>;
