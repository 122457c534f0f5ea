import { loadModel } from "../../../dist/index.js";

/**
 * @param {import("../../lib/workload.js").Job} job
 * @returns {Promise<import("../../lib/workload.js").Engine>}
 */
export async function open({ modelPath, program, case: { contextSize, sequences, kvType } }) {
  const model = await loadModel(modelPath);
  const threads = program.threads ?? 0;
  const context = await model.createContext({ contextSize, sequences: sequences ?? 1, kvType, threads });
  return {
    pid: process.pid,
    threads: context.info.threads,
    generate: (prompt, options) => generate(context, prompt, options),
    async steps() {
      const { steps, stepRequests } = context.stats();
      return { steps, requests: stepRequests };
    },
    close: () => model.dispose(),
  };
}

/**
 * @param {import("../../../dist/index.js").LlamaContext} context
 * @param {import("../../lib/prompts.mjs").Prompt} prompt
 * @param {import("../../lib/workload.js").GenerateOptions} options
 */
async function generate(context, { tokens }, { maxTokens, grammar, signal, onText, onTokens }) {
  let count = 0;
  const onToken =
    onTokens === undefined
      ? undefined
      : (/** @type {import("../../../dist/index.js").GenerationPiece} */ piece) => {
          count += piece.tokens.length;
          onTokens(piece.tokens.length);
        };
  const request = { tokens, maxTokens, temperature: 0, ignoreEos: true, grammar, signal, onToken };
  try {
    const generation = context.generate(request);
    if (onText !== undefined) for await (const text of generation) onText(text);
    const result = await generation;
    return result.usage.completionTokens;
  } catch (error) {
    if (signal?.aborted) return count;
    throw error;
  }
}
