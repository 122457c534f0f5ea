/** What llama.cpp unrolls. */
export const mostRepeats = 1000;

/** Rules of a GBNF grammar that is being put together; every text here is the right side of a rule, or a part of one. */
export class GrammarRules {
  readonly #rules = new Map<string, string>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get full(): boolean {
    return this.#rules.size >= this.#limit;
  }

  /** Adds a rule under this name, or one like it that is free, and returns its name. */
  add(name: string, body: string): string {
    const free = this.reserve(name);
    this.set(free, body);
    return free;
  }

  /** A name for a rule that is given its body later; never "root", which is another's where these rules are a part of a grammar. */
  reserve(name: string): string {
    const plain = name.replace(/[^a-zA-Z0-9]+/g, "-").slice(0, 40) || "rule";
    let free = plain;
    for (let count = 2; free === "root" || this.#rules.has(free); count++) free = `${plain}-${count}`;
    this.#rules.set(free, "");
    return free;
  }

  set(name: string, body: string): void {
    this.#rules.set(name, body);
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
