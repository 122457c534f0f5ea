import { load } from "./library.mjs";

/**
 * @param {import("../../lib/workload.js").Job} job
 * @returns {Promise<import("../../lib/workload.js").Engine>}
 */
export async function open(job) {
  const sequences = job.case.sequences ?? 1;
  const context = await load(job);
  if (sequences > 1) await context.parallel.enable({ n_parallel: sequences });
  return {
    pid: process.pid,
    threads: job.program.threads,
    generate: sequences > 1 ? (...args) => queue(context.parallel, ...args) : (...args) => complete(context, ...args),
    steps: async () => null,
    close: () => context.release(),
  };
}

/**
 * @param {import("../../lib/prompts.mjs").Prompt} prompt
 * @param {import("../../lib/workload.js").GenerateOptions} options
 */
function requestOf({ text }, { maxTokens, grammar }) {
  return {
    prompt: text,
    n_predict: maxTokens,
    temperature: 0,
    ignore_eos: true,
    ...(grammar === undefined ? {} : { grammar }),
  };
}

/**
 * @param {any} context
 * @param {import("../../lib/prompts.mjs").Prompt} prompt
 * @param {import("../../lib/workload.js").GenerateOptions} options
 */
async function complete(context, prompt, options) {
  let count = 0;
  const onAbort = () => context.stopCompletion();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  const result = await context.completion(requestOf(prompt, options), (/** @type {any} */ { token }) => {
    count += 1;
    options.onTokens?.(1);
    options.onText?.(token);
  });
  // Tokens that end no character are not told; the last ones may be such.
  options.onTokens?.(result.tokens_predicted - count);
  options.signal?.removeEventListener("abort", onAbort);
  return result.tokens_predicted;
}

/**
 * @param {any} parallel
 * @param {import("../../lib/prompts.mjs").Prompt} prompt
 * @param {import("../../lib/workload.js").GenerateOptions} options
 */
async function queue(parallel, prompt, options) {
  let count = 0;
  const { promise, stop } = await parallel.completion(requestOf(prompt, options), () => {
    count += 1;
    options.onTokens?.(1);
  });
  options.signal?.addEventListener("abort", stop, { once: true });
  try {
    const { tokens_predicted: predicted } = await promise;
    options.onTokens?.(predicted - count);
    return predicted;
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    return count;
  }
}
