import { InvalidOptionError } from "../../errors.js";
import type { AnswerParser } from "../../generation/answer-parser.js";
import type { ChatTemplate } from "../chat-template.js";
import { ThinkingReader } from "./thinking-reader.js";

export interface ThinkingOptions {
  readonly thinking: boolean | undefined;
  readonly thinkingInText: boolean;
  readonly answerStart?: string | undefined;
}

/** What thinking means for a request. */
export interface ThinkingPlan {
  /** What the template is told. */
  readonly thinking: boolean | undefined;
  readonly reader: AnswerParser | undefined;
  /** What the request has to have besides. */
  readonly options: { readonly renderSpecial?: true };
}

/** What a request has that thinking depends on. */
export interface ThinkingRoom {
  /** Whether a grammar allows the answer and nothing before it. */
  readonly isBound: boolean;
  readonly reader: AnswerParser | undefined;
}

/** Whether the text has the marks of a thought, which it otherwise lacks where they are control tokens. */
export function showsMarks(template: ChatTemplate, isBound: boolean): boolean {
  return !isBound && template.thinkingSyntax?.isSpecial === true;
}

/** Throws `INVALID_OPTION` where the model shall think and cannot. */
export function planThinking(
  template: ChatTemplate,
  { thinking, thinkingInText, answerStart = "" }: ThinkingOptions,
  { isBound, reader }: ThinkingRoom,
): ThinkingPlan {
  const syntax = template.thinkingSyntax;
  if (syntax === undefined) {
    if (thinking === true)
      throw new InvalidOptionError("thinking", "no true: the chat template knows no thinking", true);
    return { thinking: undefined, reader, options: {} };
  }
  if (thinking === true && (isBound || answerStart !== "")) {
    const expected =
      "no true where a schema, an answer that was begun, or a tool that is strict or must be called leaves no room for it";
    throw new InvalidOptionError("thinking", expected, true);
  }
  const reads = !isBound && !thinkingInText && answerStart === "";
  return {
    thinking: isBound ? false : thinking,
    reader: reads ? new ThinkingReader(syntax, reader) : reader,
    options: showsMarks(template, isBound) ? { renderSpecial: true } : {},
  };
}
