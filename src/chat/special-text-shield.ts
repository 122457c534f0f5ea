import { InvalidOptionError } from "../errors.js";
import type { SpecialTexts, TextRange } from "../model/special-texts.js";

/** A rendered text. `literals` are texts of control tokens that stem from messages and must stay plain text. */
export interface RenderedText {
  readonly text: string;
  readonly literals: readonly TextRange[];
}

/**
 * Follows the text of control tokens in messages through a template, in order not to confuse it with what the template
 * writes itself: somebody who types `<|im_end|>` must not end his message.
 *
 * Before rendering each such text is replaced by a placeholder of private-use characters, which templates can trim, test
 * and copy like any word; after it the placeholders become the texts again and their places are known. Messages without
 * such text (practically all) are rendered as they are.
 */
export class SpecialTextShield {
  readonly #specials: SpecialTexts;
  readonly #open: string;
  readonly #close: string;
  readonly #hidden: string[] = [];

  /** `surroundings` is all text that may meet the placeholders: they are made of characters that are not in it. */
  constructor(specials: SpecialTexts, surroundings: string) {
    this.#specials = specials;
    const [open, close] = unusedCharacters(surroundings);
    this.#open = open;
    this.#close = close;
  }

  hide(text: string): string {
    return this.#specials.replaceIn(text, (special) => {
      this.#hidden.push(special);
      return `${this.#open}${this.#hidden.length - 1}${this.#close}`;
    });
  }

  restore(rendered: string): RenderedText {
    const placeholder = new RegExp(`${this.#open}(\\d+)${this.#close}`, "gu");
    const literals: TextRange[] = [];
    let text = "";
    let from = 0;
    for (const match of rendered.matchAll(placeholder)) {
      text += rendered.slice(from, match.index);
      from = match.index + match[0].length;
      const start = text.length;
      text += this.#hidden[Number(match[1])] ?? "";
      literals.push({ start, end: text.length });
    }
    return { text: text + rendered.slice(from), literals };
  }
}

const privateUse = { first: 0xe000, last: 0xf8ff };

function unusedCharacters(text: string): [string, string] {
  const used = new Set(text);
  const free: string[] = [];
  for (let code = privateUse.first; code <= privateUse.last && free.length < 2; code++) {
    const character = String.fromCharCode(code);
    if (!used.has(character)) free.push(character);
  }
  const [open, close] = free;
  if (open === undefined || close === undefined) {
    const expected = "texts that leave two of Unicode's private-use characters (U+E000 to U+F8FF) unused";
    throw new InvalidOptionError("messages", expected, text);
  }
  return [open, close];
}
