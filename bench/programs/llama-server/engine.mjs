import { startServer } from "./server.mjs";

/**
 * @param {import("../../lib/workload.js").Job} job
 * @returns {Promise<import("../../lib/workload.js").Engine>}
 */
export async function open(job) {
  const server = await startServer(job);
  return {
    pid: server.pid,
    threads: job.program.threads,
    generate: (prompt, options) => generate(server, prompt, options),
    steps: () => steps(server),
    close: () => server.close(),
  };
}

/**
 * @param {Awaited<ReturnType<typeof startServer>>} server
 * @param {import("../../lib/prompts.mjs").Prompt} prompt
 * @param {import("../../lib/workload.js").GenerateOptions} options
 */
async function generate(server, { tokens }, { maxTokens, grammar, signal, onText, onTokens }) {
  const body = {
    prompt: tokens,
    n_predict: maxTokens,
    temperature: 0,
    ignore_eos: true,
    cache_prompt: true,
    stream: true,
    ...(grammar === undefined ? {} : { grammar }),
  };
  let count = 0;
  const onEvent = (/** @type {any} */ event) => {
    if (event.error !== undefined) throw new Error(JSON.stringify(event.error));
    // The last event repeats nothing but the counts. Tokens that end within a character arrive with those that end it.
    const arrived = event.stop ? event.tokens_predicted - count : event.tokens.length;
    count += arrived;
    if (arrived > 0) onTokens?.(arrived);
    if (event.content !== "") onText?.(event.content);
  };
  try {
    await server.ask("/completion", { body, signal, onEvent });
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
  return count;
}

/** @param {Awaited<ReturnType<typeof startServer>>} server */
async function steps(server) {
  const metrics = await server.ask("/metrics");
  const value = (/** @type {string} */ name) => {
    const match = new RegExp(`^llamacpp:${name} (\\S+)$`, "m").exec(metrics);
    if (match === null) throw new Error(`llama-server has no metric ${name}`);
    return Number(match[1]);
  };
  const decodes = value("n_decode_total");
  return { steps: decodes, requests: value("n_busy_slots_per_decode") * decodes };
}
