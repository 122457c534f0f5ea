import type { TokenLogprob, TokenProbability, Timings, Usage } from "../../generation/result.js";
import { argumentsOf } from "../../chat/tools/cut-json.js";

export { argumentsOf } from "../../chat/tools/cut-json.js";
export type { Timings, TokenLogprob, TokenProbability, Usage } from "../../generation/result.js";

export type Finish = "stop" | "length" | "tool_calls" | "content_filter";

/** What a request gives, in order for each of its answers; `choice` counts these from 0, prompt by prompt. */
export type InferenceEvent =
  | {
      readonly type: "text";
      readonly choice: number;
      readonly text: string;
      readonly logprobs?: readonly PlacedLogprob[] | undefined;
    }
  /** A piece of what the model thinks before it answers. */
  | { readonly type: "thinking"; readonly choice: number; readonly text: string }
  | CallEvent
  | ({ readonly type: "end"; readonly choice: number } & AnswerEnd);

/** A call of a tool as it comes; `index` counts an answer's calls from 0, and no call begins before the last one's end. */
export type CallEvent =
  | ({ readonly type: "call"; readonly choice: number } & Pick<CalledTool, "index" | "id" | "name">)
  /** A piece of the arguments' JSON. */
  | { readonly type: "arguments"; readonly choice: number; readonly index: number; readonly text: string }
  | ({ readonly type: "callEnd"; readonly choice: number } & Pick<CalledTool, "index" | "isWhole">);

export interface PlacedLogprob extends TokenLogprob {
  /** Where in the answer's text the token begins, or the character that it is a part of; counted as JavaScript does. */
  readonly offset: number;
}

export interface CalledTool {
  /** From 0 within the answer. */
  readonly index: number;
  readonly id: string;
  readonly name: string;
  /** JSON of an object without blanks outside of its strings; where the answer ended in it, as much of that as there is. */
  readonly arguments: string;
  /** Whether they are JSON of an object. */
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
  /** What the model thought before, or "". */
  readonly thinking: string;
  readonly tools: readonly CalledTool[];
  /** Where they were asked for. */
  readonly logprobs: readonly PlacedLogprob[] | undefined;
  /** Thoughts, texts and calls in the order in which they came. */
  readonly content: readonly AnswerContent[];
}

export type AnswerContent = Thought | SaidText | CalledTool;

export interface Thought {
  readonly thinking: string;
}

export interface SaidText {
  readonly text: string;
  readonly logprobs?: readonly PlacedLogprob[] | undefined;
}

/** Tokens of a whole request. */
export interface RequestUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Of these, what the models thought. */
  readonly thinkingTokens: number;
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
    thinkingTokens: sum(ends, (usage) => usage.thinkingTokens),
  };
}

/** The arguments of a call as an object, without what is there of a member that was cut. */
export function callInput({ arguments: json }: CalledTool): Record<string, unknown> {
  return argumentsOf(json) ?? {};
}

/** Puts the events of one answer's calls together. */
export class CallCollector {
  #call: Pick<CalledTool, "index" | "id" | "name"> | undefined;
  #arguments = "";

  /** Returns the call at its end. */
  add(event: CallEvent): CalledTool | undefined {
    switch (event.type) {
      case "call": {
        const { index, id, name } = event;
        this.#call = { index, id, name };
        this.#arguments = "";
        return undefined;
      }
      case "arguments":
        this.#arguments += event.text;
        return undefined;
      case "callEnd":
        return this.#call && { ...this.#call, arguments: this.#arguments, isWhole: event.isWhole };
    }
  }
}

/** Puts the events of whole answers together, by their number. */
export class AnswerCollector {
  readonly #answers: { content: GrowingContent[]; calls: CallCollector; end?: AnswerEnd }[] = [];

  add(event: InferenceEvent): void {
    const answer = (this.#answers[event.choice] ??= { content: [], calls: new CallCollector() });
    if (event.type === "text") {
      addText(answer.content, event);
    } else if (event.type === "thinking") {
      addThought(answer.content, event.text);
    } else if (event.type === "end") {
      const { finish, stopString, usage, timings, seed } = event;
      answer.end = { finish, stopString, usage, timings, seed };
    } else {
      const call = answer.calls.add(event);
      if (call !== undefined) answer.content.push(call);
    }
  }

  /** Of those that have ended. */
  get answers(): Answer[] {
    return this.#answers.flatMap(({ content, end }) => (end === undefined ? [] : [toAnswer(content, end)]));
  }
}

interface GrowingText {
  text: string;
  logprobs: PlacedLogprob[] | undefined;
}

type GrowingContent = { thinking: string } | GrowingText | CalledTool;

function addThought(content: GrowingContent[], text: string): void {
  const last = content.at(-1);
  if (last !== undefined && "thinking" in last) last.thinking += text;
  else content.push({ thinking: text });
}

function addText(content: GrowingContent[], { text, logprobs }: SaidText): void {
  let last = content.at(-1);
  if (last === undefined || !("text" in last)) content.push((last = { text: "", logprobs: undefined }));
  last.text += text;
  if (logprobs !== undefined) (last.logprobs ??= []).push(...logprobs);
}

function toAnswer(content: readonly AnswerContent[], end: AnswerEnd): Answer {
  const texts = content.filter((part) => "text" in part);
  const thoughts = content.filter((part) => "thinking" in part);
  const logprobs = texts.flatMap((part) => part.logprobs ?? []);
  return {
    ...end,
    text: texts.map(({ text }) => text).join(""),
    thinking: thoughts.map(({ thinking }) => thinking).join(""),
    tools: content.filter((part) => "arguments" in part),
    logprobs: texts.some((part) => part.logprobs !== undefined) ? logprobs : undefined,
    content,
  };
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
