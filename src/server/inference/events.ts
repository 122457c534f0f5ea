import type { TokenLogprob, TokenProbability, Timings, Usage } from "../../generation/result.js";
import { wholeMembers } from "./tools/cut-json.js";

export type { Timings, TokenLogprob, TokenProbability, Usage } from "../../generation/result.js";

export type Finish = "stop" | "length" | "tool_calls" | "content_filter";

/** What a request gives, in order for each of its answers; `choice` counts these from 0, prompt by prompt. */
export type InferenceEvent =
  | {
      readonly type: "text";
      readonly choice: number;
      readonly text: string;
      readonly logprobs?: readonly PlacedLogprob[];
    }
  | ({ readonly type: "tool"; readonly choice: number } & CalledTool)
  | ({ readonly type: "end"; readonly choice: number } & AnswerEnd);

export interface PlacedLogprob extends TokenLogprob {
  /** Where in the answer's text the token begins, or the character that it is a part of; counted as JavaScript does. */
  readonly offset: number;
}

export interface CalledTool {
  /** From 0 within the answer. */
  readonly index: number;
  readonly id: string;
  readonly name: string;
  /** JSON of an object; where the answer was cut in it, as much of that as there is. */
  readonly arguments: string;
  readonly isWhole: boolean;
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
  readonly logprobs: readonly PlacedLogprob[] | undefined;
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

/** The arguments of a call as an object, without what is there of a member that was cut. */
export function callInput({ arguments: json, isWhole }: CalledTool): Record<string, unknown> {
  return isWhole ? (JSON.parse(json) as Record<string, unknown>) : wholeMembers(json);
}

/** Puts the events of whole answers together, by their number. */
export class AnswerCollector {
  readonly #answers: { text: string; tools: CalledTool[]; logprobs: PlacedLogprob[] | undefined; end?: AnswerEnd }[] =
    [];

  add(event: InferenceEvent): void {
    const answer = (this.#answers[event.choice] ??= { text: "", tools: [], logprobs: undefined });
    if (event.type === "text") {
      answer.text += event.text;
      if (event.logprobs !== undefined) (answer.logprobs ??= []).push(...event.logprobs);
    } else if (event.type === "tool") {
      const { index, id, name, arguments: args, isWhole } = event;
      answer.tools.push({ index, id, name, arguments: args, isWhole });
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
