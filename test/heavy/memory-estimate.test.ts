import { rm } from "node:fs/promises";

import { describe, expect, it } from "vitest";

import type { KvType } from "../../src/model/ggml-types.js";
import { freeMemory } from "../../src/model/machine-memory.js";
import { gemma } from "../support/gemma.js";
import type { MeasuredContext } from "../support/measure-memory.js";
import { measureMemory } from "../support/measure-memory.js";
import { groupsWork, memoryGroup, runModel } from "../support/memory-limit.js";
import { memoryModel, model125m, model7b, smollm2, tinyModel } from "../support/models.js";

/** The rows of the table in docs/models.md. */
const rows: [name: string, model: () => Promise<string>, contexts: MeasuredContext[]][] = [
  ["tiny, Q4_K_M", tinyModel, contexts([512, 4096, 16_384], ["f16", "q8_0", "q4_0"])],
  ["tiny, F16", () => tinyModel("f16"), contexts([4096], ["f16"])],
  ["125M, Q4_K_M", model125m, contexts([512, 4096], ["f16", "q8_0", "q4_0"])],
  ["125M, Q4_K_M", model125m, contexts([4096], ["f32", "bf16", "q5_1", "q5_0", "q4_1", "iq4_nl"])],
  ["125M, F16", () => model125m("f16"), contexts([4096], ["f16"])],
  // Its embeddings are the output too.
  ["SmolLM2-135M, Q4_1", smollm2, contexts([512, 1024, 4096], ["f16", "q8_0", "q4_0"])],
  ["tiny with windows, F32", () => memoryModel("sliding-window"), contexts([512, 4096, 16_384, 32_768], ["f16"])],
  ["tiny with states, F32", () => memoryModel("recurrent"), contexts([512, 4096, 16_384], ["f16"])],
  // A shorter text would leave most of its embeddings untouched, a fifth of it.
  ["140M with states, F32", () => memoryModel("recurrent-140m"), contexts([32_768], ["f16"])],
  ["tiny with states and keys, F32", () => memoryModel("hybrid"), contexts([512, 4096, 32_768], ["f16"])],
  [
    "tiny with states and windows, F32",
    () => memoryModel("hybrid-sliding-window"),
    contexts([512, 4096, 32_768], ["f16"]),
  ],
  // Fewer tokens would leave most of its embeddings untouched, which are a third of it.
  ["Gemma 3 270M, Q4_K_M", gemma, contexts([4096], ["f16"])],
  // A prompt of one micro-batch leaves little more than a part of the mask untouched, below a percent here.
  [
    "7B, Q4_K_M",
    model7b,
    contexts([4096, 16_384, 32_768], ["f16", "q8_0", "q4_0"], 520).filter(
      ({ kvType, contextSize }) => kvType === "f16" || contextSize > 4096,
    ),
  ],
];

function contexts(sizes: number[], types: KvType[], promptTokens?: number): MeasuredContext[] {
  return sizes.flatMap((contextSize) =>
    types.map((kvType) => ({ contextSize, kvType, ...(promptTokens === undefined ? {} : { promptTokens }) })),
  );
}

console.log("| model | context | KV cache | estimated MB | measured MB | difference |\n|---|---|---|---|---|---|");

describe.runIf(process.platform === "linux")("the memory that is estimated by a file's header", () => {
  for (const [name, model, plans] of rows) {
    it.each(plans)(`is within a twentieth of what ${name} takes: $contextSize tokens, $kvType`, async (plan) => {
      await note(name, await model(), plan);
    });
  }

  // Twice the size of the others together, and not left behind.
  it.runIf(process.env["LLAMA_NATIVE_HEAVY_F16"] === "1")("is within a twentieth of what 7B, F16 takes", async () => {
    expect(freeMemory().bytes).toBeGreaterThan(17e9);
    const path = await model7b("f16");
    try {
      await note("7B, F16", path, { contextSize: 4096, kvType: "f16", promptTokens: 300 });
    } finally {
      await rm(path);
    }
  });
});

describe.runIf(groupsWork())("a control group that 7B barely fits into", () => {
  // 4.6 GB are the weights and what a context takes at least; beyond 7 the whole context fits in q4_0.
  it.each([4.9e9, 5.3e9, 6e9, 9.2e9])("of %d bytes kills nothing: what is chosen fits", async (bytes) => {
    const limit = memoryGroup(bytes)!;
    try {
      const found = await runModel(await model7b(), limit.command, { contextSize: "auto", kvType: "auto" });
      console.log(`${bytes / 1e9} GB: ${String(found["reason"])}`);
      expect(found).toMatchObject({ generated: 4 });
      const whole = { contextSize: 32_768, kvType: "f32" };
      expect(await runModel(await model7b(), limit.command, whole)).toMatchObject({ code: "INSUFFICIENT_MEMORY" });
    } finally {
      limit.remove();
    }
  });
});

async function note(name: string, path: string, plan: MeasuredContext): Promise<void> {
  const { estimatedBytes, measuredBytes } = await measureMemory(path, plan);
  const [estimated, measured] = [estimatedBytes, measuredBytes].map((bytes) => (bytes / 1e6).toFixed(0));
  const difference = `${(100 * (estimatedBytes / measuredBytes - 1)).toFixed(1)} %`;
  console.log(
    `| ${name} | ${plan.contextSize} | ${plan.kvType} | ${estimated ?? ""} | ${measured ?? ""} | ${difference} |`,
  );
  expect(Math.abs(estimatedBytes / measuredBytes - 1)).toBeLessThan(0.05);
}
