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
  const whole = lengthOf([...head, ...history, ...added]);
  const fits = (start: number): boolean => lengthOf([...head, ...history.slice(start), ...added]) <= share * whole;
  const start = starts.find(fits) ?? starts.at(-1);
  return start === undefined ? undefined : { head, history: history.slice(start), added };
}

function lengthOf(messages: readonly PlainMessage[]): number {
  return messages.reduce((sum, message) => sum + JSON.stringify(message).length, 0);
}
