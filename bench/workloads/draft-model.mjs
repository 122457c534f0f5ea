// A draft model: a small model's guesses, checked together by a large one, against plain decoding.
//
// It must not change what is generated: other tokens than those of plain decoding are a failure. Random weights have no
// small model that guesses them, so there is one case of a pair made to agree on nine tokens of ten. In the others drafts
// cannot pay - they cost as much as the model itself, or never come true - and must be left alone.

import { modelFile } from "../lib/models.mjs";

/** @type {import("../lib/workload.js").Workload<{ draft: import("../lib/models.mjs").ModelName, tokens: number }>} */
export const workload = {
  title: "Draft model",
  about: "Greedy decoding with a draft model against plain decoding; the tokens are the same.",
  programs: ["ours"],
  metrics: {
    speedup: { label: "times as fast", better: "more", digits: 2 },
    tokensPerSecond: { label: "tokens/s", better: "more", digits: 1 },
    plainTokensPerSecond: { label: "plain, tokens/s", better: "more", digits: 1 },
    tokensPerStep: { label: "tokens a step", better: "more", digits: 2 },
  },
  cases({ quick }) {
    const common = { tokens: quick ? 64 : 256, contextSize: 1024, sequences: 1 };
    return [
      { ...common, name: "guesses well", model: /** @type {const} */ ("counting-125m"), draft: "counting-tiny" },
      { ...common, name: "guesses nothing", model: /** @type {const} */ ("125m"), draft: "counting-tiny" },
      { ...common, name: "costs as much as the model", model: /** @type {const} */ ("smollm2"), draft: "smollm2" },
    ];
  },
};

/**
 * @param {unknown} _program
 * @param {import("../lib/workload.js").Job<{ draft: import("../lib/models.mjs").ModelName, tokens: number }>} job
 * @returns {Promise<import("../lib/workload.js").Measured>}
 */
export async function measure(_program, { modelPath, case: { draft, tokens, contextSize } }) {
  const { loadModel } = await import("../../dist/index.js");
  const model = await loadModel(modelPath);
  const draftModel = await loadModel(await modelFile(draft));
  const context = await model.createContext({ contextSize, sequences: 1, draftModel });
  const prompt = Array.from({ length: 12 }, (_, i) => 1000 + i);
  const generate = async (/** @type {boolean} */ useDraft) => {
    const before = context.stats().steps;
    const request = { tokens: prompt, temperature: 0, ignoreEos: true, maxTokens: tokens, cachePrompt: false };
    const result = await context.generate({ ...request, draft: useDraft });
    return { ...result, steps: context.stats().steps - before };
  };
  await generate(true);
  const plain = await generate(false);
  const drafted = await generate(true);
  await model.dispose();
  await draftModel.dispose();

  if (drafted.tokens.join() !== plain.tokens.join()) throw new Error("The draft model changed what was generated");
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
