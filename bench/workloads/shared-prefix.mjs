// Many requests about the same thing: one long prefix - instructions, a document, examples - and a question of each.
//
// Nothing is cached when they arrive, all at once. A program that shares evaluates the prefix once; the others evaluate it
// for every stream, which is most of the work.

import { promptPlans } from "../lib/prompts.mjs";
import { WARM_UP_PROMPT } from "../lib/streams.mjs";

export { measure } from "./streams.mjs";

const QUESTION_TOKENS = 16;

/** @type {import("../lib/workload.js").Workload<{ tokens: number }>} */
export const workload = {
  title: "A shared prefix",
  about: `Requests submitted at once whose prompts share all but the last ${QUESTION_TOKENS} tokens; nothing is cached before.`,
  programs: ["ours", "llama-server", "node-llama-cpp"],
  variants: true,
  metrics: {
    seconds: { label: "wall, s", better: "less", digits: 2 },
    tokensPerSecond: { label: "tokens/s", better: "more", digits: 1 },
    meanBatch: { label: "mean batch", better: "more", digits: 2 },
  },
  cases: ({ quick }) =>
    (quick
      ? [{ count: 4, prefix: 200, tokens: 8, rounds: 1 }]
      : [
          { count: 8, prefix: 1000, tokens: 64, rounds: 3 },
          // Minutes each, where the prefix is evaluated for each stream.
          { count: 16, prefix: 2000, tokens: 32, rounds: 1 },
        ]
    ).map(({ count, prefix, tokens, rounds }) => ({
      name: `${count} streams, ${prefix} tokens shared`,
      model: "125m",
      chart: `${count} streams sharing ${prefix} tokens, s`,
      tokens,
      prompts: [
        WARM_UP_PROMPT,
        ...promptPlans(count, { tokens: prefix + QUESTION_TOKENS, prefix: { tokens: prefix, seed: 50 } }),
      ],
      // Programs that give each stream a part of its own need room for the whole prompt in it, and none may be filled up.
      contextSize: count * Math.ceil((prefix + QUESTION_TOKENS + tokens + 1) / 256) * 256,
      sequences: count,
      rounds,
      warmUp: rounds > 1,
      timeoutSeconds: 600,
      mostTimesSlower: 45,
    })),
};
