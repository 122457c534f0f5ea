// What became of one request.

import { maxTokens } from "./plan.mjs";

/**
 * @typedef {object} Taken what a client has of a request
 * @property {import("./plan.mjs").Task} task
 * @property {number} status 0 where nothing came
 * @property {number} expectedStatus
 * @property {boolean} hasRetryAfter
 * @property {boolean} left whether the client left
 * @property {string} text what was generated, as far as it came
 * @property {boolean} done whether the stream said that it is over
 * @property {string | null} finish
 * @property {number | null} tokens as the answer's usage has them
 * @property {string | null} error
 *
 * What there is: `finished`, with the whole text; `left` by its client, with the text's beginning; `refused` because the queue
 * was full; `rejected` as the rubbish it was. What must not be: `lost`, an answer that broke off; `crossed`, one with
 * another prompt's text; `unexplained`, another status; `failed`, no answer at all.
 * @typedef {"finished" | "left" | "refused" | "rejected" | "lost" | "crossed" | "unexplained" | "failed"} Outcome
 *
 * How an answer's text stands to what the library gave for its prompt: `same`, or its beginning; `drifted`, like it up to a
 * point; `crossed`, with something of what it gave for another one.
 * @typedef {"same" | "drifted" | "crossed"} Likeness
 */

/**
 * Of several answers. Those that drift soon repeat themselves, and may well fall into the same words as others: who they
 * belong to is not asked here.
 * @param {readonly (Likeness | null)[]} likeness
 */
export function countLikeness(likeness) {
  const answers = likeness.filter((one) => one !== null);
  return { answers: answers.length, different: answers.filter((one) => one !== "same").length };
}

/** @type {readonly Outcome[]} */
export const faults = ["lost", "crossed", "unexplained", "failed"];

/** As long as what tells one prompt's text from all others. */
const windowLength = 16;

/** The library's answers, by prompt. */
export class References {
  #texts;
  /** Whose each window of text is; null where it is of several prompts. @type {Map<string, number | null>} */
  #owners = new Map();

  /** @param {readonly string[]} texts */
  constructor(texts) {
    this.#texts = texts;
    for (const [prompt, text] of texts.entries()) {
      for (const window of windowsOf(text)) {
        const owner = this.#owners.get(window) ?? prompt;
        this.#owners.set(window, this.#owners.get(window) === null || owner !== prompt ? null : prompt);
      }
    }
  }

  /** @param {number} prompt @param {string} text @param {boolean} isWhole @returns {Likeness} */
  compare(prompt, text, isWhole) {
    const own = this.#texts[prompt] ?? "";
    if (isWhole ? text === own : own.startsWith(text)) return "same";
    const isForeign = windowsOf(text).some((window) => (this.#owners.get(window) ?? prompt) !== prompt);
    return isForeign ? "crossed" : "drifted";
  }
}

/** @param {string} text */
function windowsOf(text) {
  const count = Math.max(0, text.length - windowLength + 1);
  return Array.from({ length: count }, (_, start) => text.slice(start, start + windowLength));
}

/**
 * @param {Taken} taken @param {References} references
 * @returns {{ outcome: Outcome, likeness: Likeness | null }}
 */
export function judge(taken, references) {
  const outcome = outcomeWithoutText(taken);
  if (outcome !== "finished" && (outcome !== "left" || taken.status === 0)) return { outcome, likeness: null };
  const likeness = references.compare(taken.task.prompt, taken.text, outcome === "finished");
  return { outcome: likeness === "crossed" ? "crossed" : outcome, likeness };
}

/** @param {Taken} taken @returns {Outcome} */
function outcomeWithoutText({ task, status, expectedStatus, hasRetryAfter, left, text, done, finish, tokens, error }) {
  if (error !== null) return "failed";
  if (left && status === 0) return "left";
  if (task.kind !== "rubbish" && status === 429) return hasRetryAfter ? "refused" : "unexplained";
  if (status !== expectedStatus) return "unexplained";
  if (task.kind === "rubbish") return "rejected";
  if (left) return text.length >= (task.leaveAfter ?? 0) ? "left" : "lost";
  return done && finish === "length" && tokens === maxTokens ? "finished" : "lost";
}

/**
 * @typedef {{ outcomes: Record<string, number>, statuses: Record<string, number>, drifted: number }} Tally
 * @param {readonly { kind: string, outcome: string, status: number, likeness: Likeness | null }[]} requests
 * @returns {Record<string, Tally>} by kind of client
 */
export function tally(requests) {
  /** @type {Record<string, Tally>} */
  const kinds = {};
  for (const { kind, outcome, status, likeness } of requests) {
    const counts = (kinds[kind] ??= { outcomes: {}, statuses: {}, drifted: 0 });
    counts.outcomes[outcome] = (counts.outcomes[outcome] ?? 0) + 1;
    counts.statuses[status] = (counts.statuses[status] ?? 0) + 1;
    if (likeness === "drifted") counts.drifted++;
  }
  return kinds;
}
