import type { TokenLogprob, TokenProbability, Timings, Usage } from "../../generation/result.js";

export type { Timings, TokenLogprob, TokenProbability, Usage } from "../../generation/result.js";

export type Finish = "stop" | "length" | "tool_calls" | "content_filter";

/** What a request gives, in order for each of its answers; `choice` counts these from 0, prompt by prompt. */
export type InferenceEvent =
  | {
      readonly type: "text";
      readonly choice: number;
      readonly text: string;
      readonly logprobs?: readonly TokenLogprob[];
    }
  | ({ readonly type: "tool"; readonly choice: number } & CalledTool)
  | ({ readonly type: "end"; readonly choice: number } & AnswerEnd);

export interface CalledTool {
  /** From 0 within the answer. */
  readonly index: number;
  readonly id: string;
  readonly name: string;
  /** JSON of an object. */
  readonly arguments: string;
}

export interface AnswerEnd {
  readonly finish: Finish;
  /** The stop string that ended the text, or null. */
  readonly stopString: string | null;
  readonly usage: Usage;
  readonly timings: Timings;
  readonly seed: number;
}

/** One whole answer. */
export interface Answer extends AnswerEnd {
  readonly text: string;
  readonly tools: readonly CalledTool[];
  /** Where they were asked for. */
  readonly logprobs: readonly TokenLogprob[] | undefined;
}

/** Tokens of a whole request. */
export interface RequestUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

/** Sums what the answers took; `n` answers to one prompt have read it once. */
export function totalUsage(ends: readonly AnswerEnd[], n: number): RequestUsage {
  const first = ends.filter((_, index) => index % n === 0);
  const sum = (list: readonly AnswerEnd[], count: (usage: Usage) => number): number =>
    list.reduce((total, { usage }) => total + count(usage), 0);
  return {
    promptTokens: sum(first, (usage) => usage.promptTokens),
    cachedTokens: sum(first, (usage) => usage.cachedTokens),
    completionTokens: sum(ends, (usage) => usage.completionTokens),
  };
}

/** Puts the events of whole answers together, by their number. */
export class AnswerCollector {
  readonly #answers: { text: string; tools: CalledTool[]; logprobs: TokenLogprob[] | undefined; end?: AnswerEnd }[] =
    [];

  add(event: InferenceEvent): void {
    const answer = (this.#answers[event.choice] ??= { text: "", tools: [], logprobs: undefined });
    if (event.type === "text") {
      answer.text += event.text;
      if (event.logprobs !== undefined) (answer.logprobs ??= []).push(...event.logprobs);
    } else if (event.type === "tool") {
      const { index, id, name, arguments: args } = event;
      answer.tools.push({ index, id, name, arguments: args });
    } else {
      const { finish, stopString, usage, timings, seed } = event;
      answer.end = { finish, stopString, usage, timings, seed };
    }
  }

  /** Of those that have ended. */
  get answers(): Answer[] {
    return this.#answers.flatMap(({ end, ...rest }) => (end === undefined ? [] : [{ ...rest, ...end }]));
  }
}

/** What is known of a request when its answer begins. */
export interface AnswerInfo {
  /** Unique, of letters and digits; dialects put their prefix before it. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  /** The name the model is listed by. */
  readonly model: string;
  /** Tokens of the prompt where the request `countsPrompt`, otherwise 0. */
  readonly promptTokens: number;
  /** Milliseconds it took to load the model for this request. */
  readonly loadMs: number;
}

/** The likeliest tokens' log-probabilities can be -Infinity, for which JSON has no form. */
export function finiteLogprob({ logprob }: TokenProbability): number {
  return Math.max(logprob, -9999);
}
