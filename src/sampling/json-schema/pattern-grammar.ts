import { literal, mostRepeats, oneOfThese } from "./grammar-rules.js";

/** What a pattern has that no grammar can keep, or that is no regular expression. */
export class PatternError extends Error {}

/** More than {@link mostRepeats} characters and sets are refused in any case, but not before they were written out. */
const longestPattern = 8192;

type Range = readonly [first: number, last: number];

const last = 0x10ffff;
const surrogates: Range = [0xd800, 0xdfff];
const digit: Range[] = [[0x30, 0x39]];
const word: Range[] = [...digit, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const space: Range[] = [
  [0x09, 0x0a],
  [0x20, 0x20],
];
const lineEnds: Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const sets: Readonly<Record<string, readonly Range[]>> = {
  d: digit,
  w: word,
  s: space,
  D: complement(digit),
  W: complement(word),
  S: complement(space),
};
const controls: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c, v: 0x0b, "0": 0 };
/** Characters that stand in a JSON string as escapes alone; of the control characters these two are offered. */
const escaped = ['"', "\\", "\n", "\t"];
const unescaped = complement([
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x7f, 0x7f],
]);

/**
 * GBNF for what stands between the quotes of a JSON string that matches a JavaScript regular expression. Without `^` or `$` anything may
 * be before or behind, as JSON Schema has it.
 *
 * @throws PatternError for lookarounds, references to groups, word boundaries, properties of Unicode, and anchors elsewhere than at the
 * ends: a grammar has none of them
 */
export function patternGrammar(pattern: string): string {
  if (pattern.length > longestPattern) throw new PatternError(`more than ${longestPattern} characters`);
  try {
    new RegExp(pattern);
  } catch (cause) {
    throw new PatternError("mistakes", { cause });
  }
  return new Translator(pattern).translate();
}

class Translator {
  readonly #characters: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#characters = Array.from(pattern);
  }

  translate(): string {
    const { body, size } = this.#alternatives(() => this.#anchored());
    if (size > mostRepeats) throw new PatternError(`more than ${mostRepeats} repetitions`);
    return body;
  }

  get #next(): string {
    return this.#characters[this.#at] ?? "";
  }

  #take(text: string): boolean {
    const found = this.#characters.slice(this.#at, this.#at + text.length).join("") === text;
    if (found) this.#at += text.length;
    return found;
  }

  #alternatives(one: () => Part): Part {
    const parts = [one()];
    while (this.#take("|")) parts.push(one());
    return { body: oneOfThese(parts.map(({ body }) => body)), size: parts.reduce((sum, { size }) => sum + size, 0) };
  }

  #anchored(): Part {
    const anything = `${toClass(complement(lineEnds))}*`;
    const head = this.#take("^") ? [] : [anything];
    const { body, size } = this.#sequence();
    const tail = this.#take("$") ? [] : [anything];
    if (this.#next !== "" && this.#next !== "|") throw new PatternError("anchors within it");
    return { body: [...head, body, ...tail].join(" "), size };
  }

  #sequence(): Part {
    const parts: Part[] = [];
    while (!["", "|", ")", "$"].includes(this.#next)) parts.push(this.#repeated());
    if (parts.length === 0) return { body: '""', size: 0 };
    return { body: parts.map(({ body }) => body).join(" "), size: parts.reduce((sum, { size }) => sum + size, 0) };
  }

  #repeated(): Part {
    const { body, size } = this.#atom();
    const quantifier = /^(?:[*+?]|\{(\d+)(,(\d*))?\})/.exec(this.#characters.slice(this.#at, this.#at + 16).join(""));
    if (quantifier === null) return { body, size };
    const [text, least, , most] = quantifier;
    this.#at += text.length;
    this.#take("?"); // which of several matches is found makes no difference
    const count = Math.max(1, Number(least ?? 1), Number(most ?? 1));
    return { body: most === "0" || text === "{0}" ? '""' : `${body}${text}`, size: size * count };
  }

  #atom(): Part {
    const character = this.#next;
    if (character === "^" || character === "$") throw new PatternError("anchors within it");
    this.#at++;
    if (character === "(") return this.#group();
    if (character === "[") return { body: this.#class(), size: 1 };
    if (character === ".") return { body: toClass(complement(lineEnds)), size: 1 };
    if (character !== "\\") return { body: toText(character), size: 1 };
    const found = this.#escape();
    return { body: typeof found === "number" ? toText(String.fromCodePoint(found)) : toClass(found), size: 1 };
  }

  #group(): Part {
    if (this.#take("?<")) {
      if (this.#next === "=" || this.#next === "!") throw new PatternError("lookarounds");
      while (this.#next !== ">") this.#at++;
      this.#at++;
    } else if (!this.#take("?:") && this.#next === "?") {
      throw new PatternError("lookarounds and modifiers");
    }
    if (++this.#depth > 64) throw new PatternError("more than 64 groups within each other");
    const { body, size } = this.#alternatives(() => this.#sequence());
    this.#depth--;
    if (!this.#take(")")) throw new PatternError("anchors within it");
    return { body: `(${body})`, size };
  }

  /** A character, or the ranges of a set of them. */
  #escape(): number | readonly Range[] {
    const character = this.#next;
    this.#at++;
    const set = Object.hasOwn(sets, character) ? sets[character] : undefined;
    if (set !== undefined) return set;
    const control = Object.hasOwn(controls, character) ? controls[character] : undefined;
    if (control !== undefined) return control;
    const code = /^(?:x([\da-f]{2})|u([\da-f]{4})|u\{([\da-f]{1,6})\})/i.exec(
      character + this.#characters.slice(this.#at, this.#at + 8).join(""),
    );
    if (code !== null) {
      this.#at += code[0].length - 1;
      return parseInt(code[1] ?? code[2] ?? code[3] ?? "", 16);
    }
    if (/[a-z\d]/i.test(character)) throw new PatternError(`\\${character}`);
    return character.codePointAt(0) ?? 0;
  }

  #class(): string {
    const negated = this.#take("^");
    const ranges: Range[] = [];
    while (!this.#take("]")) {
      const first = this.#member();
      if (typeof first !== "number") {
        ranges.push(...first);
        continue;
      }
      const isRange = this.#next === "-" && this.#characters[this.#at + 1] !== "]";
      const end = isRange ? (this.#at++, this.#member()) : first;
      // A set behind the hyphen makes no range of it.
      if (typeof end === "number") ranges.push([first, end]);
      else ranges.push([first, first], [0x2d, 0x2d], ...end);
    }
    return toClass(negated ? complement(ranges) : ranges);
  }

  #member(): number | readonly Range[] {
    const character = this.#next;
    if (character === "") throw new PatternError("mistakes");
    this.#at++;
    if (character !== "\\") return character.codePointAt(0) ?? 0;
    if (this.#take("b")) return 0x08;
    return this.#escape();
  }
}

/** A part of the grammar, and how many characters and sets it has once its repetitions are written out. */
interface Part {
  readonly body: string;
  readonly size: number;
}

function toText(character: string): string {
  return literal(JSON.stringify(character).slice(1, -1));
}

function toClass(ranges: readonly Range[]): string {
  const plain = intersection(ranges, unescaped).map(([first, end]) =>
    first === end ? toCode(first) : `${toCode(first)}-${toCode(end)}`,
  );
  const others = escaped.filter((character) => isIn(character.codePointAt(0) ?? 0, ranges)).map(toText);
  const alternatives = [...(plain.length === 0 ? [] : [`[${plain.join("")}]`]), ...others];
  if (alternatives.length === 0) throw new PatternError("sets without a character");
  return oneOfThese(alternatives);
}

function toCode(code: number): string {
  if (/[a-z\d]/i.test(String.fromCodePoint(code)) && code < 0x80) return String.fromCodePoint(code);
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

function isIn(code: number, ranges: readonly Range[]): boolean {
  return ranges.some(([first, end]) => first <= code && code <= end);
}

/** All characters but these. */
function complement(ranges: readonly Range[]): Range[] {
  const gaps: Range[] = [];
  let from = 0;
  for (const [first, end] of [...ranges, surrogates].sort(([a], [b]) => a - b)) {
    if (first > from) gaps.push([from, first - 1]);
    from = Math.max(from, end + 1);
  }
  return from <= last ? [...gaps, [from, last]] : gaps;
}

function intersection(some: readonly Range[], others: readonly Range[]): Range[] {
  return some.flatMap(([first, end]) =>
    others.flatMap(([low, high]): Range[] => {
      const [from, to] = [Math.max(first, low), Math.min(end, high)];
      return from <= to ? [[from, to]] : [];
    }),
  );
}
