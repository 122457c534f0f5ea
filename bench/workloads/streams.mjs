// Several streams at once, whose prompts have nothing in common: what a server or a batch job does.
//
// One step of the model for eight streams costs little more than for one, if they all take part in it. A program whose
// streams miss steps (the mean batch tells) gives that away. The time counts from the first request to the last token,
// prompts included.

import { promptPlans } from "../lib/prompts.mjs";
import { streams, WARM_UP_PROMPT, warmUp } from "../lib/streams.mjs";

/** @type {import("../lib/workload.js").Workload<{ tokens: number }>} */
export const workload = {
  title: "Several streams",
  about: "Requests submitted at once, with prompts of 64 tokens that share nothing; all tokens over all time.",
  programs: ["ours", "llama-server", "node-llama-cpp", "fugood"],
  variants: true,
  metrics: {
    tokensPerSecond: { label: "tokens/s", better: "more", digits: 1 },
    seconds: { label: "wall, s", better: "less", digits: 2 },
    meanBatch: { label: "mean batch", better: "more", digits: 2 },
  },
  cases: ({ quick }) =>
    [2, 4, 8].map((count) => ({
      name: `${count} streams`,
      model: "125m",
      ...(count === 8 ? { chart: "8 streams, tokens/s" } : {}),
      tokens: quick ? 16 : 128,
      prompts: [WARM_UP_PROMPT, ...promptPlans(count, { tokens: 64 })],
      contextSize: count * 256,
      sequences: count,
    })),
};

/**
 * @param {import("../lib/workload.js").ProgramSide} program
 * @param {import("../lib/workload.js").Job<{ tokens: number }>} job
 * @returns {Promise<import("../lib/workload.js").Measured>}
 */
export async function measure(program, job) {
  const [warmUpPrompt, ...prompts] = job.prompts;
  const engine = await program.open(job);
  await warmUp(engine, warmUpPrompt);
  const maxTokens = job.case.tokens;
  const { seconds, tokens, meanBatch } = await streams(engine, prompts, { maxTokens });
  const { threads } = engine;
  await engine.close();
  const metrics = { tokensPerSecond: tokens / seconds, seconds, ...(meanBatch === null ? {} : { meanBatch }) };
  return { metrics, details: { threads } };
}
