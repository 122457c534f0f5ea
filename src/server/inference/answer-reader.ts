import { randomUUID } from "node:crypto";

import type { GenerationPiece, GenerationResult } from "../../generation/result.js";
import type { Tokenizer } from "../../model/tokenizer.js";
import type { Finish, InferenceEvent } from "./events.js";
import { LogprobPlacer } from "./placed-logprobs.js";
import { ToolReader } from "./tools/tool-reader.js";
import type { ToolSyntax } from "./tools/tool-syntax.js";

/** The tools that an answer may call, and how. */
export interface ToolPlan {
  readonly syntax: ToolSyntax;
  readonly names: readonly string[];
  readonly parallel: boolean;
  readonly isForced: boolean;
}

export interface AnswerReaderOptions {
  readonly choice: number;
  readonly tools: ToolPlan | undefined;
  readonly logprobs: boolean;
  readonly rendersSpecial: boolean;
  readonly tokenizer: Tokenizer;
}

/** Makes events of what the engine gives of one answer. */
export class AnswerReader {
  readonly #choice: number;
  readonly #plan: ToolPlan | undefined;
  readonly #tools: ToolReader | undefined;
  readonly #logprobs: LogprobPlacer | undefined;
  #hasSpoken = false;

  constructor({ choice, tools, logprobs, rendersSpecial, tokenizer }: AnswerReaderOptions) {
    this.#choice = choice;
    this.#plan = tools;
    this.#tools = tools && new ToolReader(tools.syntax, tools.names, tools.isForced);
    const isText = (token: number): boolean => {
      const { isControl, isUnknown } = tokenizer.tokenInfo(token);
      return rendersSpecial || !(isControl || isUnknown);
    };
    this.#logprobs = logprobs ? new LogprobPlacer(isText) : undefined;
  }

  read({ text, logprobs }: GenerationPiece): InferenceEvent[] {
    this.#logprobs?.push(logprobs ?? []);
    return this.#said(this.#tools === undefined ? text : this.#tools.push(text));
  }

  end(result: GenerationResult): InferenceEvent[] {
    const choice = this.#choice;
    const { stopString, usage, timings, seed } = result;
    const isCut = result.finishReason === "length" || stopString !== null;
    const { text, calls, areCut } = this.#tools?.end(isCut) ?? { text: "", calls: [], areCut: false };
    const finish = calls.length > 0 && !areCut ? "tool_calls" : toFinish(result);
    const said = this.#said(text);
    // Who asked for log-probabilities expects to find them, even of a text without tokens.
    const isSilent = !this.#hasSpoken && calls.length === 0 && this.#logprobs !== undefined;
    const none: InferenceEvent[] = isSilent ? [{ type: "text", choice, text: "", logprobs: [] }] : [];
    const called = calls
      .slice(0, this.#plan?.parallel === true ? undefined : 1)
      .map((call, index): InferenceEvent => ({ type: "tool", choice, index, id: callId(), ...call }));
    return [...said, ...none, ...called, { type: "end", choice, finish, stopString, usage, timings, seed }];
  }

  #said(text: string): InferenceEvent[] {
    if (text === "") return [];
    this.#hasSpoken = true;
    const logprobs = this.#logprobs?.take(text);
    return [{ type: "text", choice: this.#choice, text, ...(logprobs === undefined ? {} : { logprobs }) }];
  }
}

function callId(): string {
  return `call_${randomUUID().replaceAll("-", "").slice(0, 24)}`;
}

/** `cancelled` comes up only where the content filter ended an answer. */
function toFinish({ finishReason }: GenerationResult): Finish {
  return finishReason === "cancelled" ? "content_filter" : finishReason;
}
