import type { AnswerPart, AnswerParser } from "../../generation/answer-parser.js";
import { lengthBeforeBlanks, markLength } from "../text-before-mark.js";
import { CallScanner, isBlank } from "./call-scanner.js";
import { argumentsOf } from "./cut-json.js";
import type { ToolSyntax } from "./tool-syntax.js";
import { nameBeforeArguments } from "./tool-syntax.js";

/**
 * Where in an answer its reader is: in text that may have calls, or has none any more; before a call's JSON, in a name before
 * that, in it, or behind it; before the mark of the calls' end; or in what is told at the answer's end only.
 */
type State = "text" | "prose" | "open" | "name" | "call" | "between" | "closing" | "held";

/** Characters of a name with its marks. */
const longestName = 256;

/** Takes an answer's text apart as it comes. A call is one as soon as its name is that of a tool and its arguments begin. */
export class ToolReader implements AnswerParser {
  readonly #syntax: ToolSyntax;
  readonly #names: ReadonlySet<string>;
  readonly #isForced: boolean;
  readonly #parallel: boolean;
  #state: State = "text";
  /** Of the text, what is neither said nor told as part of a call, and where it begins. */
  #held = "";
  #at = 0;
  #inList = false;
  /** Where in what is held a call's name begins that is before its JSON. */
  #nameAt = 0;
  #call = new CallScanner();
  /** What has been told of the call that is being read. */
  #told: "nothing" | "beginning" | "all" = "nothing";
  #hasCalled = false;
  #parts: AnswerPart[] = [];

  /** Where calls are forced, the answer is nothing else. Where they are not `parallel`, there is one at most. */
  constructor(syntax: ToolSyntax, names: readonly string[], { isForced = false, parallel = true } = {}) {
    this.#syntax = syntax;
    this.#names = new Set(names);
    this.#isForced = isForced;
    this.#parallel = parallel;
  }

  readonly hasTools = true;
  readonly hasThinking = false;
  readonly thoughtLength = 0;

  opened(): void {
    // Thoughts are a part of the text here.
  }

  push(text: string): AnswerPart[] {
    for (const char of text) this.#read(char);
    this.#tellArguments();
    return this.#takeParts();
  }

  /** What is left. Of an answer that was cut, the last call may be, where its name is there; `isCut` tells whether calls were. */
  end(isCut: boolean): { parts: AnswerPart[]; isCut: boolean } {
    if (this.#state === "call") this.#endCall(isCut);
    const areCut = isCut && this.#isAmidCalls();
    const isDropped = this.#hasCalled ? areCut || isBlank(this.#held) : isCut && this.#isForced;
    if (!isDropped) this.#say(this.#held.length);
    return { parts: this.#takeParts(), isCut: areCut };
  }

  toArguments(json: string): Record<string, unknown> {
    return argumentsOf(json) ?? {};
  }

  #read(char: string): void {
    this.#held += char;
    this.#step(char);
  }

  /** Goes by the last character of what is held. */
  #step(char: string): void {
    const { trigger, end } = this.#syntax;
    switch (this.#state) {
      case "text":
        if (trigger === null) this.#readStart(char);
        else this.#readText(trigger);
        break;
      case "prose":
        this.#say(this.#held.length);
        break;
      case "open":
        this.#readOpen(char);
        break;
      case "name":
        this.#readName(char);
        break;
      case "call":
        this.#readCall(char);
        break;
      case "between":
        this.#readBetween(char);
        break;
      case "closing":
        if (end === null) this.#stepAs("text", char);
        else this.#readClosing(end);
        break;
      case "held":
    }
  }

  #stepAs(state: State, char: string): void {
    this.#state = state;
    this.#step(char);
  }

  /** Without a trigger the first character decides, and the first one behind a call. */
  #readStart(char: string): void {
    if (!isBlank(char)) this.#stepAs(char === "{" || char === "[" ? "open" : "prose", char);
  }

  #readText(trigger: string): void {
    const seen = markLength(this.#held, trigger);
    this.#say(lengthBeforeBlanks(this.#held.slice(0, this.#held.length - seen)));
    if (seen === trigger.length) this.#state = "open";
  }

  #readOpen(char: string): void {
    if (isBlank(char)) return;
    if (char === "{") this.#begin(new CallScanner(), char);
    else if (char === "[" && !this.#inList) this.#inList = true;
    else if (this.#syntax.beforeArguments === null) this.#refuse(char);
    else {
      this.#nameAt = this.#held.length - char.length;
      this.#state = "name";
    }
  }

  #readName(char: string): void {
    const text = this.#held.slice(this.#nameAt);
    const name = char === "{" ? nameBeforeArguments(text.slice(0, -1)) : undefined;
    if (name !== undefined && this.#names.has(name)) this.#begin(new CallScanner(name), char);
    else if (name !== undefined || text.length > longestName) this.#refuse(char);
  }

  #begin(call: CallScanner, char: string): void {
    this.#call = call;
    this.#told = "nothing";
    this.#stepAs("call", char);
  }

  #readCall(char: string): void {
    const call = this.#call;
    const belongs = call.push(char);
    const { state, name } = call;
    if (state === "refused" || (name !== undefined && !this.#names.has(name))) {
      this.#refuse(char);
      return;
    }
    if (this.#told === "nothing" && name !== undefined && state !== "head") this.#tellCall(name);
    if (this.#told === "nothing") return;
    if (belongs) this.#drop(this.#held.length);
    if (state !== "arguments") this.#tellEnd();
    if (!belongs) this.#stepAs("between", char);
    else if (state === "ended") this.#state = "between";
  }

  #readBetween(char: string): void {
    const goesOn = this.#inList && char === ",";
    const closes = this.#inList && char === "]";
    if (closes || !(goesOn || isBlank(char))) this.#inList = false;
    if (!(goesOn || closes || isBlank(char))) {
      this.#stepAs("closing", char);
      return;
    }
    this.#drop(this.#held.length);
    if (goesOn) this.#state = "open";
    if (closes) this.#state = "closing";
  }

  #readClosing(end: string): void {
    const seen = this.#held.trimStart();
    if (seen === "") this.#drop(this.#held.length);
    if (end.startsWith(seen) && seen !== end) return;
    this.#state = "text";
    const again = seen === end ? "" : this.#held;
    if (seen === end) this.#drop(this.#held.length);
    this.#held = "";
    for (const char of again) this.#read(char);
  }

  /** What looked like a call is none. */
  #refuse(char: string): void {
    this.#inList = false;
    if (this.#isForced) {
      this.#state = "held";
      return;
    }
    this.#say(this.#held.length - char.length);
    this.#stepAs(this.#syntax.trigger === null ? "prose" : "text", char);
  }

  #endCall(isCut: boolean): void {
    const { name } = this.#call;
    if (this.#told === "nothing" && isCut && name !== undefined) this.#tellCall(name);
    this.#tellEnd();
  }

  /** Whether the answer would go on with calls, or with what belongs to them. */
  #isAmidCalls(): boolean {
    switch (this.#state) {
      case "text":
        return !isBlank(this.#held);
      case "between":
        return this.#inList;
      case "closing":
        return !isBlank(this.#held);
      case "open":
      case "name":
      case "call":
        return true;
      case "prose":
      case "held":
        return false;
    }
  }

  #tellCall(name: string): void {
    this.#drop(this.#held.length);
    if (this.#hasCalled && !this.#parallel) {
      this.#told = "all";
      return;
    }
    this.#hasCalled = true;
    this.#told = "beginning";
    this.#parts.push({ type: "call", name });
  }

  #tellArguments(): void {
    const text = this.#told === "beginning" ? this.#call.takeArguments() : "";
    if (text !== "") this.#parts.push({ type: "arguments", text });
  }

  #tellEnd(): void {
    if (this.#told !== "beginning") return;
    this.#tellArguments();
    this.#told = "all";
    this.#parts.push({ type: "callEnd", isWhole: this.#call.isWhole });
  }

  /** Says so many characters of what is held. */
  #say(length: number): void {
    if (length <= 0) return;
    const text = this.#held.slice(0, length);
    const last = this.#parts.at(-1);
    if (last?.type === "text" && last.at + last.text.length === this.#at) last.text += text;
    else this.#parts.push({ type: "text", text, at: this.#at });
    this.#drop(length);
  }

  #drop(length: number): void {
    this.#held = this.#held.slice(length);
    this.#at += length;
  }

  #takeParts(): AnswerPart[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }
}
