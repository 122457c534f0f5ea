import type { ChatMessage, ToolDefinition } from "./request.js";

/** What a content filter learns of a request. */
export interface FilteredRequest {
  /** Also in the log and the `x-request-id` header. */
  readonly id: string;
  readonly model: string;
  /**
   * The conversation, where the request has one; an answer that the client has begun is its last message. Templates may show the
   * model an assistant's `thinking` too.
   */
  readonly messages: readonly ChatMessage[] | undefined;
  /** The tools that are described to the model. */
  readonly tools: readonly ToolDefinition[];
  /** Further values for the chat template, which may show them to the model. */
  readonly templateVariables: Readonly<Record<string, unknown>> | undefined;
  /** The texts to continue, where it has these. */
  readonly texts: readonly string[];
  /** As the client gave them; nobody has checked that they are true. */
  readonly user: string | undefined;
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

export type FilterVerdict = { readonly block: string } | undefined;

/**
 * Gets an answer's text piece by piece and returns what to pass on: the piece, another text, or "" to hold it back until
 * more is known. With the last piece, which may be empty, everything that is held back has to be passed on. Null ends the
 * answer here, with `finish_reason: "content_filter"`.
 */
export type OutputFilter = (piece: string, last: boolean) => string | null | Promise<string | null>;

/** What of an answer a text is: what is said, what was thought before it, or the arguments of a tool's call. */
export type FilteredPart = "text" | "thinking" | "arguments";

/** Moderation of requests and answers by the deployment, since models ship without guardrails. What it throws is a 500. */
export interface ContentFilter {
  /** Called before the model sees the request. `{ block: reason }` refuses it, with the reason as the error's message. */
  request?(request: FilteredRequest): FilterVerdict | Promise<FilterVerdict>;
  /**
   * Called for every text that there is: that of each answer, what was thought before it, and the arguments of each tool it calls,
   * which are one piece. Arguments that the filter changes end the answer as null does, since half a call is none.
   */
  output?(request: FilteredRequest, part: FilteredPart): OutputFilter;
}
