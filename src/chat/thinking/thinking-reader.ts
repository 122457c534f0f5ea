import type { AnswerParser, AnswerPart } from "../../generation/answer-parser.js";
import { lengthBeforeBlanks, markLength, mostBlanks } from "../text-before-mark.js";
import type { ThinkingSyntax } from "./thinking-syntax.js";

/** Where in an answer its reader is: before anything but blanks; in the thought; behind its mark; or in the answer itself. */
type State = "start" | "thought" | "behind" | "answer";

/**
 * Tells what a model thinks from what it answers. A thought is only what the answer begins with, so that one that speaks of the
 * marks stays whole. Blanks around a thought belong to the format.
 */
export class ThinkingReader implements AnswerParser {
  readonly #syntax: ThinkingSyntax;
  /** Reads the answer behind the thought. */
  readonly #inner: AnswerParser | undefined;
  #state: State = "start";
  /** What is neither told nor dropped, and where it begins. */
  #held = "";
  #at = 0;
  #hasThought = false;

  constructor(syntax: ThinkingSyntax, inner?: AnswerParser) {
    this.#syntax = syntax;
    this.#inner = inner;
  }

  get hasTools(): boolean {
    return this.#inner?.hasTools ?? false;
  }

  readonly hasThinking = true;

  /** Up to the end of the mark behind the thought. */
  thoughtLength = 0;

  opened(): void {
    this.#state = "thought";
  }

  push(text: string): AnswerPart[] {
    if (this.#state === "answer") return this.#answer(text);
    this.#held += text;
    const parts = this.#read();
    if (this.#state === "thought") this.thoughtLength = this.#at + this.#held.length;
    return parts;
  }

  end(isCut: boolean): { parts: AnswerPart[]; isCut: boolean } {
    const parts = this.#state === "thought" ? this.#think(this.#held.trimEnd().length) : this.#answer(this.#take());
    const inner = this.#inner?.end(isCut) ?? { parts: [], isCut };
    return { parts: [...parts, ...inner.parts.map((part) => this.#placed(part))], isCut: inner.isCut };
  }

  toArguments(json: string): Record<string, unknown> {
    return this.#inner?.toArguments(json) ?? {};
  }

  #read(): AnswerPart[] {
    switch (this.#state) {
      case "start":
        return this.#readStart();
      case "thought":
        return this.#readThought();
      case "behind":
        this.#drop(leadingBlanks(this.#held));
        return this.#held === "" ? [] : this.#answer(this.#take());
      case "answer":
        return [];
    }
  }

  #readStart(): AnswerPart[] {
    const { open } = this.#syntax;
    const blanks = leadingBlanks(this.#held);
    const seen = this.#held.slice(blanks);
    if (seen.startsWith(open)) {
      this.#drop(blanks + open.length);
      this.#state = "thought";
      return this.#readThought();
    }
    return open.startsWith(seen) && blanks <= mostBlanks ? [] : this.#answer(this.#take());
  }

  #readThought(): AnswerPart[] {
    const { close } = this.#syntax;
    if (!this.#hasThought) this.#drop(leadingBlanks(this.#held));
    const end = this.#held.indexOf(close);
    if (end < 0) {
      const sure = this.#held.slice(0, this.#held.length - markLength(this.#held, close));
      return this.#think(lengthBeforeBlanks(sure));
    }
    const parts = this.#think(this.#held.slice(0, end).trimEnd().length);
    this.#drop(this.#held.indexOf(close) + close.length);
    this.thoughtLength = this.#at;
    this.#state = "behind";
    return [...parts, ...this.#read()];
  }

  /** Tells so many characters of what is held. */
  #think(length: number): AnswerPart[] {
    if (length === 0) return [];
    this.#hasThought = true;
    const part: AnswerPart = { type: "thinking", text: this.#held.slice(0, length) };
    this.#drop(length);
    return [part];
  }

  #answer(text: string): AnswerPart[] {
    this.#state = "answer";
    if (text === "") return [];
    if (this.#inner !== undefined) return this.#inner.push(text).map((part) => this.#placed(part));
    const at = this.#at;
    this.#at += text.length;
    return [{ type: "text", text, at }];
  }

  /** Where the inner reader's text is in all of the answer's. Behind the beginning of the answer `#at` stays. */
  #placed(part: AnswerPart): AnswerPart {
    return part.type === "text" ? { ...part, at: part.at + this.#at } : part;
  }

  #take(): string {
    const text = this.#held;
    this.#held = "";
    return text;
  }

  #drop(length: number): void {
    this.#held = this.#held.slice(length);
    this.#at += length;
  }
}

function leadingBlanks(text: string): number {
  return text.length - text.trimStart().length;
}
