import type { Answer, AnswerEnd, AnswerInfo, InferenceEvent } from "../../src/server/inference/events.js";
import { AnswerCollector } from "../../src/server/inference/events.js";

/** What dialects are given of one answer, made by hand. */
export const info: AnswerInfo = { id: "1", createdMs: 0, model: "m", promptTokens: 3, loadMs: 0 };

export const choice = 0;

export const text = (said: string): InferenceEvent => ({ type: "text", choice, text: said });

export function ended(finish: AnswerEnd["finish"], thinkingTokens = 0): AnswerEnd & { type: "end"; choice: number } {
  return {
    type: "end",
    choice,
    finish,
    stopString: null,
    usage: {
      promptTokens: 3,
      cachedTokens: 0,
      completionTokens: 9,
      thinkingTokens,
      totalTokens: 12,
      draftedTokens: 0,
      acceptedTokens: 0,
    },
    timings: {
      queueMs: 0,
      firstTokenMs: 0,
      promptMs: 0,
      generationMs: 0,
      totalMs: 0,
      promptTokensPerSecond: 0,
      tokensPerSecond: 0,
    },
    seed: 1,
  };
}

export function collected(events: readonly InferenceEvent[]): Answer {
  const collector = new AnswerCollector();
  for (const event of events) collector.add(event);
  return collector.answers[0]!;
}

/** All that a dialect streams of an answer. */
export function encoded(
  stream: { start(): string; event(event: InferenceEvent): string; end(): string },
  events: readonly InferenceEvent[],
): string {
  return stream.start() + events.map((event) => stream.event(event)).join("") + stream.end();
}
