import { parseJson } from "./cut-json.js";

/** Models write the arguments in a member of one of these names. */
const argumentKeys: ReadonlySet<unknown> = new Set(["arguments", "parameters"]);

/** How far the JSON of a call is: before its arguments, in them, behind them, or at its end; refused where it is none. */
export type ScanState = "head" | "arguments" | "tail" | "ended" | "refused";

/** Reads the JSON of one call, an object with a name and arguments, character by character. */
export class CallScanner {
  #state: ScanState = "head";
  #name: string | undefined;
  /** Whether the arguments are all there is, as the name came before them. */
  readonly #isBare: boolean;
  #depth: number;
  #inString = false;
  #isEscaped = false;
  /** Of the call's member that is being read, and the text of its key or value so far. */
  #key: unknown;
  #text = "";
  /** The last character that was no blank, and whether blanks came since. */
  #last = "";
  #sawBlank = false;
  /** Arguments that nobody took yet. */
  #pending = "";
  #taken = "";

  /** With a name, what is read are the arguments alone. */
  constructor(name?: string) {
    this.#name = name;
    this.#isBare = name !== undefined;
    this.#depth = this.#isBare ? 1 : 0;
    this.#key = this.#isBare ? "arguments" : undefined;
  }

  get state(): ScanState {
    return this.#state;
  }

  /** Once it is there as a whole. */
  get name(): string | undefined {
    return this.#name;
  }

  /** What has come of the arguments since the last call: JSON without blanks outside of its strings. */
  takeArguments(): string {
    const taken = this.#pending;
    this.#pending = "";
    this.#taken += taken;
    return taken;
  }

  /** Whether the arguments that were taken are JSON of an object. */
  get isWhole(): boolean {
    return parseJson(this.#taken) !== undefined;
  }

  /** Returns whether the character belongs to the call. The first one has to be `{`. */
  push(char: string): boolean {
    if (this.#inString) this.#pushInString(char);
    else if (isBlank(char)) this.#sawBlank = true;
    else if (this.#endsWithout(char)) return false;
    else this.#pushStructure(char);
    return true;
  }

  /** Behind its arguments a call may lack its last brace. */
  #endsWithout(char: string): boolean {
    const ends = this.#state === "tail" && this.#depth === 1 && this.#last === "}" && char !== "," && char !== "}";
    if (ends) this.#end();
    return ends;
  }

  #pushStructure(char: string): void {
    // Blanks tell words apart that would be another one together.
    if (this.#sawBlank && isWord(char) && isWord(this.#last)) this.#keep(" ");
    this.#sawBlank = false;
    this.#last = char;
    if (char === "{" || char === "[") this.#open(char);
    else if (char === "}" || char === "]") this.#close(char);
    else if (this.#depth === 1 && char === ",") this.#endMember();
    else if (this.#depth === 1 && char === ":") [this.#key, this.#text] = [parseJson(this.#text), ""];
    else {
      this.#inString = char === '"';
      this.#keep(char);
    }
  }

  #pushInString(char: string): void {
    const ends = char === '"' && !this.#isEscaped;
    this.#isEscaped = char === "\\" && !this.#isEscaped;
    // Some models write line breaks as they are.
    this.#keep(char < " " ? JSON.stringify(char).slice(1, -1) : char);
    if (!ends) return;
    this.#inString = false;
    this.#last = char;
    if (this.#depth === 1 && this.#key === "name") this.#readName();
  }

  #readName(): void {
    const name = parseJson(this.#text);
    if (typeof name === "string") this.#name ??= name;
  }

  #open(char: string): void {
    if (this.#depth === 1 && this.#state === "head") {
      if (this.#key === "name") this.#state = "refused";
      if (argumentKeys.has(this.#key)) this.#state = char === "{" ? "arguments" : "refused";
    }
    this.#depth++;
    if (this.#state === "arguments") this.#keep(char);
  }

  #close(char: string): void {
    if (this.#state === "arguments") this.#keep(char);
    if (this.#depth === 1) this.#endMember();
    this.#depth--;
    if (this.#state === "arguments" && this.#depth === 1) this.#state = this.#isBare ? "ended" : "tail";
    if (this.#depth === 0) this.#end();
  }

  #end(): void {
    this.#state = this.#state === "tail" && this.#name !== undefined ? "ended" : "refused";
  }

  #endMember(): void {
    const isMissing = this.#key === "name" ? this.#name === undefined : argumentKeys.has(this.#key);
    if (this.#state === "head" && isMissing) this.#state = "refused";
    [this.#key, this.#text] = [undefined, ""];
  }

  #keep(text: string): void {
    if (this.#state === "arguments") this.#pending += text;
    else if (this.#depth === 1) this.#text += text;
  }
}

export function isBlank(char: string): boolean {
  return char.trim() === "";
}

function isWord(char: string): boolean {
  return !'{}[]:,"'.includes(char);
}
