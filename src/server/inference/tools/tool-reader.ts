import type { FoundCall, ToolSyntax } from "./tool-syntax.js";
import { findCalls, findCutCalls } from "./tool-syntax.js";

/** Takes an answer's text apart as it comes: what is said, and what calls tools. */
export class ToolReader {
  readonly #syntax: ToolSyntax;
  readonly #names: ReadonlySet<string>;
  readonly #isForced: boolean;
  #state: "undecided" | "text" | "call" = "undecided";
  #held = "";

  /** Where calls are forced, the answer is nothing else. */
  constructor(syntax: ToolSyntax, names: readonly string[], isForced: boolean) {
    this.#syntax = syntax;
    this.#names = new Set(names);
    this.#isForced = isForced;
  }

  /** Returns what of the text so far is certainly no call. */
  push(text: string): string {
    this.#held += text;
    if (this.#state === "call") return "";
    const { trigger } = this.#syntax;
    return trigger === null ? this.#pushPlain() : this.#pushTriggered(trigger);
  }

  /** The calls of the answer, and what turned out to be text after all. Of one that was cut, the last call may be. */
  end(isCut: boolean): { text: string; calls: FoundCall[]; areCut: boolean } {
    const held = this.#state === "call" ? this.#held.trim() : "";
    const whole = this.#known(findCalls(held, this.#syntax));
    if (whole.length > 0) return { text: "", calls: whole, areCut: false };
    const cut = isCut ? this.#known(findCutCalls(held, this.#syntax)) : [];
    const isText = cut.length === 0 && !(isCut && this.#isForced);
    return { text: isText ? this.#held : "", calls: cut, areCut: true };
  }

  #known(calls: FoundCall[]): FoundCall[] {
    return calls.every(({ name }) => this.#names.has(name)) ? calls : [];
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
      return this.#release(this.#held.slice(0, at).trimEnd().length);
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
