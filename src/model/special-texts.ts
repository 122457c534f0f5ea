/** A stretch of a text, in UTF-16 code units. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Finds the text of control tokens in other text: what tokenizing with `parseSpecial` would turn into those tokens and
 * without it would not. (User-defined tokens are parsed either way and are no control tokens.)
 */
export class SpecialTexts {
  readonly #pattern: RegExp | undefined;
  readonly #patternHere: RegExp | undefined;

  constructor(texts: Iterable<string>) {
    // The longest first, as the tokenizer looks for them in this order.
    const unique = [...new Set(texts)].filter((text) => text !== "").sort((a, b) => b.length - a.length);
    if (unique.length === 0) return;
    const source = unique.map(escapeRegExp).join("|");
    this.#pattern = new RegExp(source, "gu");
    this.#patternHere = new RegExp(source, "yu");
  }

  find(text: string): TextRange[] {
    if (this.#pattern === undefined) return [];
    return Array.from(text.matchAll(this.#pattern), (match) => ({
      start: match.index,
      end: match.index + match[0].length,
    }));
  }

  isIn(text: string): boolean {
    return this.#pattern !== undefined && text.search(this.#pattern) >= 0;
  }

  /** Whether one begins at `position`. */
  isAt(text: string, position: number): boolean {
    if (this.#patternHere === undefined) return false;
    this.#patternHere.lastIndex = position;
    return this.#patternHere.test(text);
  }

  /** Whether the text ends with one. */
  isAtEnd(text: string): boolean {
    return this.find(text).at(-1)?.end === text.length;
  }

  /** Replaces each text of a control token by what `replace` gives. */
  replaceIn(text: string, replace: (special: string) => string): string {
    return this.#pattern === undefined ? text : text.replace(this.#pattern, replace);
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
