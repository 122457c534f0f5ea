// What the load test does: which models, how many requests of which kind, and the bounds that decide whether it failed.

/**
 * What a client does: takes its whole answer, leaves in mid-stream, leaves while it waits, reads slowly, or sends rubbish.
 * @typedef {"plain" | "leaves" | "hasty" | "slow" | "rubbish"} Kind
 *
 * @typedef {object} Task one request
 * @property {number} id
 * @property {Kind} kind
 * @property {number} prompt its place in the list of prompts
 * @property {number | null} leaveAfter characters after which the client leaves, or null
 * @property {boolean} cachePrompt
 */

export const context = { contextSize: 8192, sequences: 8, queueSize: 40 };
export const maxTokens = 48;
/** Greedy, so that an answer can be compared with what the library gave for its prompt. */
export const request = { temperature: 0, ignoreEos: true, maxTokens };

/** Milliseconds that the clients of these kinds wait after an answer; the others ask again at once. */
export const pauseMs = { rubbish: 200, hasty: 200, refused: 1000 };
/** Between two reads of a slow client. */
export const slowReadMs = 50;
/** After which a hasty client leaves that has heard nothing. */
export const hastyMs = 20;

/** The bounds; see `judgement.mjs`. */
export const bounds = {
  /**
   * Of the small model's throughput with the library and the same clients, and of the large one's with the library by itself, as
   * the medians of all rounds.
   */
  leastShare: 0.95,
  /** MiB a minute, after a full garbage collection each. */
  mostHeapSlope: 2,
  mostMemorySlope: 16,
  leastMemorySamples: 6,
  /** Requests each, so that a share or a kind of client has been tried at all. */
  leastOfEachKind: 5,
  /**
   * Of the storm's answers, as a share: those that are the library's only up to a point. Who leaves leaves holes in the cache, and
   * cells in another order than their tokens are summed in another order.
   */
  mostDrifted: 0.1,
  /** Of the rounds' answers, beyond the share that the library by itself has for the same reason. */
  mostDifferent: 0.1,
};

const subjects =
  "the sea,a mountain,the moon,bread,rain,a clock,the wind,iron,a river,music,winter,a forest,salt,a bridge,glass,fire," +
  "a garden,the desert,paper,a ship";

/** Different from their first words on, so that an answer tells whose it is. */
export const prompts = subjects
  .split(",")
  .flatMap((subject, index) => [
    `Tell me about ${subject}. It is said that`,
    `Number ${index + 1}: why do people think of ${subject} as`,
  ]);

/** How many of them the rounds with the large model have: two for each sequence. */
export const largePrompts = 2 * context.sequences;

/** Where in its answer a request's client leaves: early, in the middle, late. */
export function leavingPoint(/** @type {number} */ id) {
  return 20 + ((id * 37) % 100);
}

/**
 * The same work for both sides of a comparison: each of the first prompts once, of which each third is left in mid-answer.
 * @param {number} round shifts who leaves, so that all prompts are read to their end in one round or another
 * @param {number} count of prompts
 * @returns {Task[]}
 */
export function roundTasks(round, count) {
  return prompts.slice(0, count).map((_, index) => {
    const leaves = (index + round) % 3 === 0;
    return {
      id: index,
      kind: leaves ? "leaves" : "plain",
      prompt: index,
      leaveAfter: leaves ? leavingPoint(index) : null,
      cachePrompt: false,
    };
  });
}

/**
 * Of the clients a third leaves, an eighth each is slow or sends rubbish.
 * @param {number} client
 * @returns {Kind}
 */
export function kindOf(client) {
  if (client % 3 === 0) return client % 4 === 0 ? "hasty" : "leaves";
  if (client % 8 === 1) return "slow";
  return client % 8 === 2 ? "rubbish" : "plain";
}

/**
 * The next request of a client that goes on until the time is up. Thousands of them do not fit the cache, so that they do not
 * use it: the fewer sequences have to go, the fewer cells lie in another order than their tokens.
 * @param {number} client @param {number} turn
 * @returns {Task}
 */
export function stormTask(client, turn) {
  const id = client * 100_000 + turn;
  const kind = kindOf(client);
  return {
    id,
    kind,
    prompt: (client * 7 + turn) % prompts.length,
    leaveAfter: kind === "leaves" ? leavingPoint(id) : null,
    cachePrompt: false,
  };
}
