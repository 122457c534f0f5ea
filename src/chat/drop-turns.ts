import type { PlainMessage } from "./messages.js";

/** A conversation as it is sent. */
export interface Conversation {
  /** What stays whatever goes: system texts. */
  readonly head: readonly PlainMessage[];
  readonly history: readonly PlainMessage[];
  /** What is to be answered. */
  readonly added: readonly PlainMessage[];
}

/**
 * The same without its oldest turns, so that about `share` of its text is left, or less; undefined where none of them can go. What
 * is left of the history begins with a message of the user's, and results of tools keep the turn that they belong to.
 */
export function withoutOldestTurns({ head, history, added }: Conversation, share: number): Conversation | undefined {
  const starts = history.flatMap(({ role }, index) => (role === "user" && index > 0 ? [index] : []));
  if (history.length > 0 && added[0]?.role === "user") starts.push(history.length);
  const lengths = history.map(lengthOf);
  const whole = sum([...lengths, ...head.map(lengthOf), ...added.map(lengthOf)]);
  let dropped = 0;
  let passed = 0;
  const fits = (start: number): boolean => {
    dropped += sum(lengths.slice(passed, start));
    passed = start;
    return whole - dropped <= share * whole;
  };
  const start = starts.find(fits) ?? starts.at(-1);
  return start === undefined ? undefined : { head, history: history.slice(start), added };
}

/** Thoughts of earlier answers are left out by most templates. */
function lengthOf({ thinking: _, ...message }: PlainMessage): number {
  return JSON.stringify(message).length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
