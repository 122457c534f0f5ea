import type { GenerationPiece, GenerationResult } from "../../generation/result.js";
import type { Tokenizer } from "../../model/tokenizer.js";
import type { Finish, InferenceEvent } from "./events.js";
import { LogprobPlacer } from "./placed-logprobs.js";

export interface AnswerReaderOptions {
  readonly choice: number;
  readonly logprobs: boolean;
  readonly rendersSpecial: boolean;
  readonly tokenizer: Tokenizer;
}

/** Makes events of what the engine gives of one answer. */
export class AnswerReader {
  readonly #choice: number;
  readonly #logprobs: LogprobPlacer | undefined;
  #hasContent = false;

  constructor({ choice, logprobs, rendersSpecial, tokenizer }: AnswerReaderOptions) {
    this.#choice = choice;
    const isText = (token: number): boolean => {
      const { isControl, isUnknown } = tokenizer.tokenInfo(token);
      return rendersSpecial || !(isControl || isUnknown);
    };
    this.#logprobs = logprobs ? new LogprobPlacer(isText) : undefined;
  }

  read({ text, thinking, at, logprobs, toolCall }: GenerationPiece): InferenceEvent[] {
    const choice = this.#choice;
    this.#logprobs?.push(logprobs ?? []);
    if (thinking !== undefined) return [{ type: "thinking", choice, text: thinking }];
    if (text === "" && toolCall === undefined) return [];
    this.#hasContent = true;
    if (toolCall !== undefined) return [{ ...toolCall, choice }];
    const placed = this.#logprobs?.take(text, at);
    return [{ type: "text", choice, text, ...(placed === undefined ? {} : { logprobs: placed }) }];
  }

  end(result: GenerationResult): InferenceEvent[] {
    const choice = this.#choice;
    const { stopString, usage, timings, seed } = result;
    // Who asked for log-probabilities expects to find them, even of a text without tokens.
    const isSilent = !this.#hasContent && this.#logprobs !== undefined;
    const none: InferenceEvent[] = isSilent ? [{ type: "text", choice, text: "", logprobs: [] }] : [];
    return [...none, { type: "end", choice, finish: toFinish(result), stopString, usage, timings, seed }];
  }
}

/** `cancelled` comes up only where the content filter ended an answer. */
function toFinish({ finishReason }: GenerationResult): Finish {
  return finishReason === "cancelled" ? "content_filter" : finishReason;
}
