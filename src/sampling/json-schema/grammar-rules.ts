/** What llama.cpp unrolls. */
export const mostRepeats = 1000;

const mostRules = 5000;
/** Of a grammar, and of what is read to make it; the addon takes no longer one. */
const mostCharacters = 1 << 20;

/** A grammar that would be too large. */
export class GrammarSizeError extends Error {}

/**
 * Rules of a GBNF grammar that is being put together; every text here is the right side of a rule, or a part of one. What would make
 * it too large throws a {@link GrammarSizeError}.
 */
export class GrammarRules {
  readonly #rules = new Map<string, string>();
  /** Of each name that was asked for, the number behind the last rule that got it. */
  readonly #numbers = new Map<string, number>();
  #characters = 0;

  /** Adds a rule under this name, or one like it that is free, and returns its name. */
  add(name: string, body: string): string {
    const free = this.reserve(name);
    this.set(free, body);
    return free;
  }

  /** A name for a rule that is given its body later; never "root", which is another's where these rules are a part of a grammar. */
  reserve(name: string): string {
    if (this.#rules.size >= mostRules) throw new GrammarSizeError();
    const plain = name.replace(/[^a-zA-Z0-9]+/g, "-").slice(0, 40) || "rule";
    let free = plain;
    let number = this.#numbers.get(plain) ?? 1;
    while (free === "root" || this.#rules.has(free)) free = `${plain}-${++number}`;
    this.#numbers.set(plain, number);
    this.#rules.set(free, "");
    return free;
  }

  set(name: string, body: string): void {
    this.count(body.length);
    this.#rules.set(name, body);
  }

  /** Counts so many characters of work: a small schema may ask for one part of itself again and again. */
  count(characters: number): void {
    this.#characters += characters;
    if (this.#characters > mostCharacters) throw new GrammarSizeError();
  }

  /** One of the rules every grammar may use, added on first use with those it uses itself. */
  common(name: CommonRule): string {
    if (!this.#rules.has(name)) {
      this.#rules.set(name, commonRules[name].body);
      for (const used of commonRules[name].uses) this.common(used);
    }
    return name;
  }

  toString(): string {
    return [...this.#rules].map(([name, body]) => `${name} ::= ${body}\n`).join("");
  }
}

export type CommonRule =
  "ws" | "char" | "string" | "number" | "integer" | "boolean" | "null" | "value" | "object" | "array";

/** Between JSON's marks. Bounded, as small models may go on with blanks for ever. */
export const blanks = String.raw`| " " | "\n" [ ]{0,32}`;

const commonRules: Readonly<Record<CommonRule, { body: string; uses: readonly CommonRule[] }>> = {
  ws: { body: blanks, uses: [] },
  char: { body: String.raw`[^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})`, uses: [] },
  string: { body: String.raw`"\"" char* "\""`, uses: ["char"] },
  integer: { body: String.raw`"-"? ("0" | [1-9] [0-9]{0,15})`, uses: [] },
  number: { body: String.raw`integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,3})?`, uses: ["integer"] },
  boolean: { body: `"true" | "false"`, uses: [] },
  null: { body: `"null"`, uses: [] },
  value: {
    body: "object | array | string | number | boolean | null",
    uses: ["object", "array", "string", "number", "boolean", "null"],
  },
  object: {
    body: String.raw`"{" ws (string ":" ws value ("," ws string ":" ws value)*)? ws "}"`,
    uses: ["ws", "string", "value"],
  },
  array: { body: String.raw`"[" ws (value ("," ws value)*)? ws "]"`, uses: ["ws", "value"] },
};

/** A text as GBNF writes it. */
export function literal(text: string): string {
  const escaped = text.replace(/["\\]/g, "\\$&").replace(/\p{Cc}/gu, hexEscape);
  return `"${escaped}"`;
}

function hexEscape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/** `(a | b)`, or `a` alone. */
export function oneOfThese(alternatives: readonly string[]): string {
  return alternatives.length === 1 ? (alternatives[0] ?? "") : `(${alternatives.join(" | ")})`;
}
