// Cancelling: a prompt of 3000 tokens is being evaluated when its request is aborted. When is the engine free again?
//
// Someone closes a tab, and the next one in the queue should not wait for work that nobody wants. A request of one token
// is submitted at the moment of the abort; what it takes longer than the same request alone is the latency.

import { setTimeout as sleep } from "node:timers/promises";

import { promptPlans } from "../lib/prompts.mjs";
import { median } from "../lib/statistics.mjs";
import { stream, WARM_UP_PROMPT, warmUp } from "../lib/streams.mjs";

/** @type {import("../lib/workload.js").Workload<{ abortAfterMs: number[] }>} */
export const workload = {
  title: "Cancelling",
  about: "Delay of a one-token request that is submitted when a long prompt's evaluation is aborted.",
  programs: ["ours", "llama-server", "node-llama-cpp"],
  metrics: {
    latencyMs: { label: "engine free after, ms", better: "less", digits: 0 },
    worstLatencyMs: { label: "at worst, ms", better: "less", digits: 0 },
    aloneMs: { label: "the request alone, ms", better: "less", digits: 0 },
  },
  cases: ({ quick }) => [
    {
      ...common("125m", quick ? 600 : 3000),
      name: "125M",
      chart: "Engine free after cancelling, ms",
      abortAfterMs: quick ? [50, 120] : [50, 120, 230, 310, 470],
    },
    ...(quick
      ? []
      : [
          {
            ...common("7b", 3000),
            name: "7B",
            abortAfterMs: [500, 900, 1700],
            // Others end a batch of 2048 tokens first, minutes with this model; the small one shows it.
            programs: /** @type {import("../lib/programs.mjs").Family[]} */ (["ours"]),
            rounds: 2,
            warmUp: false,
            timeoutSeconds: 900,
          },
        ]),
  ],
};

/** @param {import("../lib/models.mjs").ModelName} model @param {number} length */
function common(model, length) {
  return {
    model,
    prompts: [WARM_UP_PROMPT, { tokens: 2, seed: 80 }, ...promptPlans(5, { tokens: length })],
    contextSize: 2 * 3584,
    sequences: 2,
  };
}

/**
 * @param {import("../lib/workload.js").ProgramSide} program
 * @param {import("../lib/workload.js").Job<{ abortAfterMs: number[] }>} job
 * @returns {Promise<import("../lib/workload.js").Measured>}
 */
export async function measure(program, job) {
  const [warmUpPrompt, shortPrompt, ...longPrompts] = job.prompts;
  const delays = job.case.abortAfterMs;
  const engine = await program.open(job);
  await warmUp(engine, warmUpPrompt);
  const alone = [];
  while (alone.length < delays.length) alone.push(await oneToken(engine, shortPrompt));
  const aloneMs = median(alone);
  const latencies = [];
  for (const [index, delay] of delays.entries()) {
    latencies.push((await abortOne(engine, longPrompts[index], delay, shortPrompt)) - aloneMs);
  }
  await engine.close();
  // The request alone varies, too: a difference below nothing is nothing.
  const latencyMs = Math.max(0, median(latencies));
  return { metrics: { latencyMs, worstLatencyMs: Math.max(0, ...latencies), aloneMs }, details: { latencies, alone } };
}

/**
 * @param {import("../lib/workload.js").Engine} engine
 * @param {import("../lib/prompts.mjs").Prompt} prompt
 */
async function oneToken(engine, prompt) {
  const { submitted, ended } = await stream(engine, prompt, { maxTokens: 1 });
  return ended - submitted;
}

/**
 * @param {import("../lib/workload.js").Engine} engine
 * @param {import("../lib/prompts.mjs").Prompt} longPrompt
 * @param {number} delayMs
 * @param {import("../lib/prompts.mjs").Prompt} shortPrompt
 */
async function abortOne(engine, longPrompt, delayMs, shortPrompt) {
  const abort = new AbortController();
  let answered = false;
  const onTokens = () => (answered = true);
  const long = engine.generate(longPrompt, { maxTokens: 16, cancelPrompt: true, signal: abort.signal, onTokens });
  await sleep(delayMs);
  if (answered) throw new Error(`The long prompt was evaluated within ${delayMs} ms, before it could be aborted`);
  abort.abort();
  const milliseconds = await oneToken(engine, shortPrompt);
  await long;
  return milliseconds;
}
