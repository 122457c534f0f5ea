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

/**
 * `isBound`: whether a grammar allows the answer and nothing before it. Throws `INVALID_OPTION` where the model shall think and
 * cannot.
 */
export function planThinking(
  template: ChatTemplate,
  { thinking, thinkingInText, answerStart = "" }: ThinkingOptions,
  { isBound, reader }: { isBound: boolean; reader: AnswerParser | undefined },
): ThinkingPlan {
  const syntax = template.thinkingSyntax;
  if (syntax === undefined) {
    if (thinking === true)
      throw new InvalidOptionError("thinking", "no true: the chat template knows no thinking", true);
    return { thinking: undefined, reader, options: {} };
  }
  if (isBound && thinking === true) {
    const expected = "no true where a grammar, a schema or a tool that must be called leaves no room for it";
    throw new InvalidOptionError("thinking", expected, true);
  }
  const reads = !isBound && !thinkingInText && answerStart === "";
  return {
    thinking: isBound ? false : thinking,
    reader: reads ? new ThinkingReader(syntax, reader) : reader,
    options: reads && syntax.isSpecial ? { renderSpecial: true } : {},
  };
}
