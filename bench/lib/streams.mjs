// What several workloads do: generate, and note when each token came.

/**
 * @typedef {object} Stream
 * @property {number} submitted all times in milliseconds of `performance.now()`
 * @property {number} ended
 * @property {number[]} times when each token came; those that came together have the same time
 */

/**
 * @param {import("./workload.js").Engine} engine
 * @param {import("./prompts.mjs").Prompt} prompt
 * @param {import("./workload.js").GenerateOptions} options
 * @returns {Promise<Stream>}
 */
export async function stream(engine, prompt, options) {
  /** @type {number[]} */
  const times = [];
  const submitted = performance.now();
  const count = await engine.generate(prompt, {
    ...options,
    onTokens: (arrived) => {
      const now = performance.now();
      for (let token = 0; token < arrived; token++) times.push(now);
      options.onTokens?.(arrived);
    },
  });
  const ended = performance.now();
  if (options.signal === undefined && count !== options.maxTokens) {
    throw new Error(`Expected ${options.maxTokens} tokens but received ${count}`);
  }
  return { submitted, ended, times };
}

/**
 * All at once.
 * @param {import("./workload.js").Engine} engine
 * @param {readonly import("./prompts.mjs").Prompt[]} prompts
 * @param {import("./workload.js").GenerateOptions} options
 */
export async function streams(engine, prompts, options) {
  const before = await engine.steps();
  const submitted = performance.now();
  const all = await Promise.all(prompts.map((prompt) => stream(engine, prompt, options)));
  const seconds = (performance.now() - submitted) / 1000;
  const after = await engine.steps();
  const tokens = all.reduce((sum, { times }) => sum + times.length, 0);
  return { all, seconds, tokens, meanBatch: meanBatch(before, after) };
}

/** What a program does once only - touching its weights, compiling its JavaScript - is not part of the measurement. */
export const WARM_UP_PROMPT = { tokens: 8, seed: 99 };

/**
 * @param {import("./workload.js").Engine} engine
 * @param {import("./prompts.mjs").Prompt} prompt
 */
export async function warmUp(engine, prompt, maxTokens = 16) {
  await engine.generate(prompt, { maxTokens });
}

/**
 * @typedef {{ steps: number, requests: number } | null} Steps
 *
 * @param {Steps} before
 * @param {Steps} after
 * @returns {number | null} requests that took part in a step, on average
 */
function meanBatch(before, after) {
  if (before === null || after === null || after.steps === before.steps) return null;
  return (after.requests - before.requests) / (after.steps - before.steps);
}
