// The stall: four streams are running when a prompt of 3000 tokens arrives. For how long do they fall silent?
//
// A program that evaluates the whole prompt, or large pieces of it, between two steps of the others makes them wait, and
// everyone who reads them. One that is too shy lets the newcomer wait instead, so that its first token is measured too.
// Gaps are compared with the usual one, the median of the time before the prompt arrives.

import { disturbanceOf } from "../lib/gaps.mjs";
import { promptPlans } from "../lib/prompts.mjs";
import { stream, WARM_UP_PROMPT, warmUp } from "../lib/streams.mjs";

const STREAMS = 4;

/** @type {import("../lib/workload.js").Workload<{ calmTokens: number }>} */
export const workload = {
  title: "The stall",
  about: "Four streams are decoding when a long prompt arrives: their longest silence until its first token.",
  programs: ["ours", "llama-server", "node-llama-cpp"],
  variants: true,
  metrics: {
    longestSilenceMs: { label: "longest silence, ms", better: "less", digits: 0 },
    p99GapMs: { label: "p99 gap, ms", better: "less", digits: 0 },
    medianGapMs: { label: "median gap before, ms", better: "less", digits: 1 },
    disturbedMedianGapMs: { label: "median gap meanwhile, ms", better: "less", digits: 1 },
    longestRatio: { label: "longest / median", better: "less", digits: 1 },
    p99Ratio: { label: "p99 / median", better: "less", digits: 1 },
    firstTokenMs: { label: "long prompt's first token, ms", better: "less", digits: 0 },
  },
  cases({ quick }) {
    const length = quick ? 600 : 3000;
    return [
      {
        name: `${STREAMS} streams, a prompt of ${length} tokens`,
        model: "125m",
        chart: "Longest silence of a stream, ms",
        /** Tokens that each stream has when the prompt arrives. */
        calmTokens: quick ? 16 : 64,
        prompts: [WARM_UP_PROMPT, { tokens: length, seed: 60 }, ...promptPlans(STREAMS, { tokens: 32 })],
        contextSize: (STREAMS + 1) * 3584,
        sequences: STREAMS + 1,
      },
    ];
  },
};

/**
 * @param {import("../lib/workload.js").ProgramSide} program
 * @param {import("../lib/workload.js").Job<{ calmTokens: number }>} job
 * @returns {Promise<import("../lib/workload.js").Measured>}
 */
export async function measure(program, job) {
  const [warmUpPrompt, longPrompt, ...prompts] = job.prompts;
  const engine = await program.open(job);
  await warmUp(engine, warmUpPrompt);

  const end = new AbortController();
  const progress = new Progress(prompts.length);
  const running = prompts.map((prompt, index) =>
    stream(engine, prompt, {
      maxTokens: 3000,
      signal: end.signal,
      onTokens: (arrived) => progress.add(index, arrived),
    }),
  );
  const ended = Promise.all(running).then(() => {
    if (!end.signal.aborted) throw new Error("The streams ended before they were measured");
  });
  await Promise.race([progress.each(job.case.calmTokens), ended]);
  const long = await stream(engine, longPrompt, { maxTokens: 4 });
  // A silence that lasts beyond the long prompt's answer counts as well.
  await Promise.race([progress.each(1), ended]);
  end.abort();
  const streams = (await Promise.all(running)).map(({ times }) => times);
  const { threads } = engine;
  await engine.close();

  const firstToken = long.times[0];
  const disturbance = disturbanceOf(streams, { from: long.submitted, to: firstToken });
  return {
    metrics: { ...disturbance, firstTokenMs: firstToken - long.submitted },
    details: { threads, streams: streams.map((times) => times.map((time) => round(time - long.submitted))) },
  };
}

class Progress {
  #counts;
  #wanted = 0;
  #resolve = () => undefined;

  /** @param {number} streams */
  constructor(streams) {
    this.#counts = new Array(streams).fill(0);
  }

  /** @param {number} stream @param {number} tokens */
  add(stream, tokens) {
    this.#counts[stream] += tokens;
    if (this.#counts.every((count) => count >= this.#wanted)) this.#resolve();
  }

  /** Resolves when each stream has received so many more tokens. @param {number} tokens */
  each(tokens) {
    this.#counts.fill(0);
    this.#wanted = tokens;
    return new Promise((resolve) => (this.#resolve = () => void resolve(undefined)));
  }
}

/** @param {number} milliseconds */
function round(milliseconds) {
  return Math.round(milliseconds * 100) / 100;
}
