import type { Tokenizer } from "../model/tokenizer.js";
import { concatTokens } from "./encode-prompt.js";
import type { RenderedText } from "./special-text-shield.js";

/** A prompt that was answered, with the tokens as they are in the KV cache. */
export interface AnsweredPrompt {
  readonly text: string;
  readonly tokens: Int32Array;
  readonly answer: { readonly text: string; readonly tokens: Int32Array };
}

/**
 * Where a conversation that goes on after `previous` has its first new character, or undefined where it does not begin
 * with that prompt and its answer. White space around the answer may differ: templates trim it, or set a space before it.
 */
export function continuationStart(previous: AnsweredPrompt, text: string): number | undefined {
  if (!text.startsWith(previous.text)) return undefined;
  const answer = previous.answer.text;
  const rest = text.slice(previous.text.length);
  const leading = rest.length - rest.trimStart().length;
  const body = answer.trim();
  if (!rest.startsWith(body, leading)) return undefined;
  const end = previous.text.length + leading + body.length;
  const trailing = answer.slice(answer.trimEnd().length);
  return text.startsWith(trailing, end) ? end + trailing.length : end;
}

/**
 * The tokens of a conversation that goes on: those in the KV cache with the answer as the model generated it, and behind
 * them the new text's. Tokenizing the whole anew could split an answer's text into other tokens, and the cache would be
 * lost from there on.
 *
 * The new text is tokenized alone, which is only the same as within the whole where it begins with a control token (as
 * practically every template has one behind an answer): elsewhere a vocabulary may set a space before it. `encode`
 * tokenizes the prompt from a place on. Undefined where the conversation cannot be continued this way.
 */
export async function continuePrompt(
  tokenizer: Tokenizer,
  previous: AnsweredPrompt,
  prompt: RenderedText,
  encode: (from: number) => Promise<Int32Array>,
): Promise<Int32Array | undefined> {
  const from = continuationStart(previous, prompt.text);
  if (from === undefined || !beginsWithControlToken(tokenizer, prompt, from)) return undefined;
  return concatTokens([previous.tokens, previous.answer.tokens, await encode(from)]);
}

function beginsWithControlToken(tokenizer: Tokenizer, { text, literals }: RenderedText, from: number): boolean {
  if (literals.some((literal) => literal.start <= from && from < literal.end)) return false;
  return tokenizer.specialTexts.isAt(text, from);
}
