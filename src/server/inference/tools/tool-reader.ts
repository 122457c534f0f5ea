import type { FoundCall, ToolSyntax } from "./tool-syntax.js";

/** Takes an answer's text apart as it comes: what is said, and what calls tools. */
export class ToolReader {
  readonly #syntax: ToolSyntax;
  readonly #names: ReadonlySet<string>;
  #state: "undecided" | "text" | "call" = "undecided";
  #held = "";

  constructor(syntax: ToolSyntax, names: readonly string[]) {
    this.#syntax = syntax;
    this.#names = new Set(names);
  }

  /** Returns what of the text so far is certainly no call. */
  push(text: string): string {
    this.#held += text;
    if (this.#state === "call") return "";
    const { trigger } = this.#syntax;
    return trigger === null ? this.#pushPlain() : this.#pushTriggered(trigger);
  }

  /** The calls of the whole answer, and what turned out to be text after all. */
  end(): { text: string; calls: FoundCall[] } {
    const calls = this.#state === "call" ? this.#syntax.parse(this.#held.trim()) : undefined;
    const known = calls?.every(({ name }) => this.#names.has(name)) === true;
    return known && calls !== undefined ? { text: "", calls } : { text: this.#held, calls: [] };
  }

  #pushPlain(): string {
    if (this.#state === "undecided") {
      const first = this.#held.trimStart()[0];
      if (first === undefined) return "";
      this.#state = first === "{" || first === "[" ? "call" : "text";
    }
    return this.#state === "call" ? "" : this.#release(this.#held.length);
  }

  #pushTriggered(trigger: string): string {
    const at = this.#held.indexOf(trigger);
    if (at >= 0) {
      this.#state = "call";
      return this.#release(at).trimEnd();
    }
    let partial = Math.min(trigger.length - 1, this.#held.length);
    while (partial > 0 && !this.#held.endsWith(trigger.slice(0, partial))) partial--;
    return this.#release(this.#held.length - partial);
  }

  #release(length: number): string {
    const released = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return released;
  }
}
