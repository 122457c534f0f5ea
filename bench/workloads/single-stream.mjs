// One stream: how fast one answer comes, from an empty context and after a prompt of 360 tokens.
//
// This is what a user of a chat sees, and what a program loses between the steps of the model - sampling, text, threads
// that hand over to each other - shows here in full: a small model's step takes 3 ms. llama.cpp's bench does nothing but
// the steps, so that it is the mark to come close to.
//
// The rate is that of the tokens after the first: decoding alone, as in the bench. A program whose threads fight for the cores
// may take minutes for one answer; after a time it is stopped, and its rate is that of the tokens that came.

import { stream, WARM_UP_PROMPT, warmUp } from "../lib/streams.mjs";

const PATIENCE_MS = 20_000;
/** Fewer than these tell no rate: where the program was stopped, and as a share of what was asked for where it ended itself. */
const LEAST_TOKENS = 8;
const LEAST_SHARE = 0.95;

/** @type {import("../lib/workload.js").Workload<{ depth: number, tokens: number }>} */
export const workload = {
  title: "One stream",
  about: "Greedy decoding of one answer: tokens a second after the first one.",
  programs: ["ours", "llama-bench", "llama-server", "node-llama-cpp", "fugood"],
  variants: true,
  metrics: {
    tokensPerSecond: { label: "tokens/s", better: "more", digits: 1 },
    firstTokenMs: { label: "first token, ms", better: "less", digits: 0 },
  },
  cases: ({ quick }) =>
    [0, 360].map((depth) => ({
      name: depth === 0 ? "empty context" : `after a prompt of ${depth} tokens`,
      model: "125m",
      chart: depth === 0 ? "One stream, tokens/s" : `One stream after ${depth} tokens, tokens/s`,
      depth,
      tokens: quick ? 32 : 256,
      // A prompt has one token at least besides BOS for the programs that take text.
      prompts: [WARM_UP_PROMPT, { tokens: Math.max(2, depth), seed: 1 }],
      contextSize: 1024,
      sequences: 1,
      timeoutSeconds: 240,
      mostTimesSlower: 100,
    })),
};

/**
 * @param {import("../lib/workload.js").ProgramSide} program
 * @param {import("../lib/workload.js").Job<{ depth: number, tokens: number }>} job
 * @returns {Promise<import("../lib/workload.js").Measured>}
 */
export async function measure(program, job) {
  const [warmUpPrompt, prompt] = job.prompts;
  const engine = await program.open(job);
  await warmUp(engine, warmUpPrompt);
  const { submitted, times, stopped } = await patientStream(engine, prompt, job.case.tokens);
  const { threads } = engine;
  await engine.close();
  const least = stopped ? LEAST_TOKENS : LEAST_SHARE * job.case.tokens;
  if (times.length < least) throw new Error(`Expected ${least} tokens at least but received ${times.length}`);
  const [first, last] = [times[0], times[times.length - 1]];
  return {
    metrics: { tokensPerSecond: ((times.length - 1) * 1000) / (last - first), firstTokenMs: first - submitted },
    details: { threads, tokens: times.length },
  };
}

/**
 * @param {import("../lib/workload.js").Engine} engine
 * @param {import("../lib/prompts.mjs").Prompt} prompt
 * @param {number} maxTokens
 */
async function patientStream(engine, prompt, maxTokens) {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const { submitted, times } = await stream(engine, prompt, { maxTokens, signal: patience.signal });
    return { submitted, times, stopped: patience.signal.aborted };
  } finally {
    clearTimeout(timer);
  }
}
