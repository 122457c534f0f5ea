// Prompt lookup: an answer that repeats its input - a quote, an edit, code with a line changed - against plain decoding.
//
// What followed the same tokens before is checked together in one step, so that several tokens may come of it. It must not
// change what is generated: other tokens than those of plain decoding are a failure. Text that repeats nothing is measured
// as well, as drafts that are never true must not cost.

/** @type {import("../lib/workload.js").Workload<{ text: string, tokens: number }>} */
export const workload = {
  title: "Prompt lookup",
  about: "Greedy decoding by SmolLM2-135M-Instruct with prompt lookup against plain decoding; the tokens are the same.",
  programs: ["ours"],
  metrics: {
    speedup: { label: "times as fast", better: "more", digits: 2 },
    tokensPerSecond: { label: "tokens/s", better: "more", digits: 1 },
    plainTokensPerSecond: { label: "plain, tokens/s", better: "more", digits: 1 },
    tokensPerStep: { label: "tokens a step", better: "more", digits: 2 },
  },
  cases({ quick }) {
    const common = {
      model: /** @type {const} */ ("smollm2"),
      tokens: quick ? 32 : 128,
      contextSize: 1024,
      sequences: 1,
    };
    return [
      { ...common, name: "repeats its input", text: `${LOG.repeat(4)}${LOG.slice(0, 40)}` },
      { ...common, name: "repeats nothing", text: "Once upon a time, in a village by the sea," },
    ];
  },
};

const LOG =
  "The harbour master writes down every ship: its name, its flag, the hour at which it comes in and the berth it is given. " +
  "On Monday the Albatross came in at seven with timber, and the Marigold at nine with oranges, salt and two passengers. ";

/**
 * @param {unknown} _program
 * @param {import("../lib/workload.js").Job<{ text: string, tokens: number }>} job
 * @returns {Promise<import("../lib/workload.js").Measured>}
 */
export async function measure(_program, { modelPath, case: { text, tokens, contextSize } }) {
  const { loadModel } = await import("../../dist/index.js");
  const model = await loadModel(modelPath);
  const context = await model.createContext({ contextSize, sequences: 1 });
  const generate = async (/** @type {boolean} */ promptLookup) => {
    const before = context.stats().steps;
    const request = { prompt: text, temperature: 0, ignoreEos: true, maxTokens: tokens, cachePrompt: false };
    const result = await context.generate({ ...request, promptLookup });
    return { ...result, steps: context.stats().steps - before };
  };
  await generate(true);
  const plain = await generate(false);
  const drafted = await generate(true);
  await model.dispose();

  if (drafted.tokens.join() !== plain.tokens.join()) throw new Error("Prompt lookup changed what was generated");
  const { tokensPerSecond } = drafted.timings;
  const plainTokensPerSecond = plain.timings.tokensPerSecond;
  return {
    metrics: {
      speedup: tokensPerSecond / plainTokensPerSecond,
      tokensPerSecond,
      plainTokensPerSecond,
      tokensPerStep: tokens / drafted.steps,
    },
    details: { draftedTokens: drafted.usage.draftedTokens, acceptedTokens: drafted.usage.acceptedTokens },
  };
}
