// Weights of every type that this machine's kernels are this project's own for: what a token gets is the same, to the bit,
// whether it is evaluated by itself or with others.

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadModel, type LlamaModel } from "../../src/index.js";
import { smollm2, tinyModel } from "../support/models.js";

const prompt = Int32Array.from({ length: 61 }, (_, index) => 300 + ((index * 7919) % 20000));

describe.runIf(process.arch === "x64").each([
  ["Q4_K and Q6_K", () => tinyModel("q4_k_m")],
  ["Q5_K and Q6_K", () => tinyModel("q5_k_m")],
  ["Q8_0", () => tinyModel("q8_0")],
  ["Q4_0", () => tinyModel("q4_0")],
  ["Q4_1, with Q8_0 for output", smollm2],
])("weights of type %s", (_, file) => {
  let model: LlamaModel;

  beforeAll(async () => {
    model = await loadModel(await file());
  });

  afterAll(() => model.dispose());

  async function answer(batchSize: number): Promise<{ tokens: number[]; logprobs: number[] }> {
    const context = await model.createContext({ contextSize: 512, sequences: 1, batchSize });
    const result = await context.generate({
      tokens: prompt,
      maxTokens: 12,
      temperature: 0,
      ignoreEos: true,
      logprobs: 1,
    });
    await context.dispose();
    return { tokens: [...result.tokens], logprobs: (result.logprobs ?? []).map(({ logprob }) => logprob) };
  }

  test("give the same to a prompt's tokens in batches of any size", async () => {
    const whole = await answer(61);
    expect(whole.logprobs.every((logprob) => logprob <= 0 && logprob > -20)).toBe(true);
    for (const batchSize of [1, 2, 3, 5, 8, 14]) expect(await answer(batchSize)).toEqual(whole);
  });
});
