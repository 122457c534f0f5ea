// One stream with a file of Mistral-7B's size: here the memory's speed counts, and a program can only lose.

import { WARM_UP_PROMPT } from "../lib/streams.mjs";
import { workload as small } from "./single-stream.mjs";

export { measure } from "./single-stream.mjs";

/** @type {import("../lib/workload.js").Workload<{ depth: number, tokens: number }>} */
export const workload = {
  ...small,
  title: "One stream, 7B",
  about: "The same with a file of Mistral-7B's shape and size (Q4_K_M), 32 tokens from an empty context.",
  cases: ({ quick }) =>
    quick
      ? []
      : [
          {
            name: "empty context",
            model: "7b",
            chart: "One stream, 7B, tokens/s",
            depth: 0,
            tokens: 32,
            prompts: [WARM_UP_PROMPT, { tokens: 2, seed: 1 }],
            contextSize: 512,
            sequences: 1,
            rounds: 3,
            timeoutSeconds: 900,
          },
        ],
};
