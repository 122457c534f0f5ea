import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { LlamaContext, LlamaModel } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { smollm2, tinyModel } from "../support/models.js";

let model: LlamaModel;

beforeAll(async () => {
  model = await loadModel(await tinyModel());
});

afterAll(() => model.dispose());

describe("small sizes", () => {
  test.each([
    { contextSize: 1, sequences: 1 },
    { contextSize: 64, sequences: 1, batchSize: 1 },
    { contextSize: 64, sequences: 4, batchSize: 4, microBatchSize: 1 },
    { contextSize: 512, sequences: 255, batchSize: 255 },
  ])("%o works", async (options) => {
    const context = await model.createContext(options);
    const { finishReason } = await context.generate({ tokens: [5], maxTokens: 3, ignoreEos: true });
    expect(finishReason).toBe("length");
    await context.dispose();
  });

  test("drafts leave room in the batch, and outputs, for the prompts beside them", async () => {
    const real = await loadModel(await smollm2());
    const context = await real.createContext({ contextSize: 2048, sequences: 4, batchSize: 24 });
    const sentence = "The quick brown fox jumps over the lazy dog near the old river bank. ";
    const drafting = context.generate({
      prompt: sentence.repeat(8),
      temperature: 0,
      ignoreEos: true,
      promptLookup: 64,
      maxTokens: 200,
    });
    for (let i = 0; i < 12; i++) {
      await context.generate({
        prompt: `${i} words of a prompt `.repeat(1 + 3 * (i % 4)),
        maxTokens: 1,
        ignoreEos: true,
      });
    }
    expect((await drafting).tokens.length).toBe(200);
    await real.dispose();
  });

  test("contexts with different numbers of threads share the pools", async () => {
    const contexts = await Promise.all(
      [1, 2].map((threads) => model.createContext({ contextSize: 256, threads, batchThreads: 2, microBatchSize: 3 })),
    );
    const results = await Promise.all(
      contexts.flatMap((context: LlamaContext) =>
        [4, 5, 7].map((length) =>
          context.generate({
            tokens: new Int32Array(length).fill(9),
            maxTokens: 300,
            ignoreEos: true,
            contextShift: true,
          }),
        ),
      ),
    );
    for (const { tokens } of results) expect(tokens.length).toBe(300);
    for (const context of contexts) await context.dispose();
  });
});

test("a request that shifts keeps what it is told to, also more than half of the context", async () => {
  const context = await model.createContext({ contextSize: 64, sequences: 1 });
  const tokens = Array.from({ length: 56 }, (_, index) => 20 + index);
  const kept = 48;
  const request = { tokens, ignoreEos: true, temperature: 0, maxTokens: 30, contextShift: true, keepTokens: kept };
  const { contextShifts } = await context.generate(request);
  expect(contextShifts).toBeGreaterThan(1);
  const again = await context.generate({ tokens: [...tokens.slice(0, kept), 9], maxTokens: 1 });
  expect(again.usage.cachedTokens).toBe(kept);
  await context.dispose();
});

test("all that comes while the program is stopped is told afterwards", async () => {
  const context = await model.createContext({ contextSize: 4096, sequences: 8 });
  const request = { tokens: [5, 6, 7], ignoreEos: true, maxTokens: 400 };
  const generations = Array.from({ length: 8 }, (_, seed) => context.generate({ ...request, seed }));
  await new Promise((resolve) => setTimeout(resolve, 50));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000);
  for (const { tokens, finishReason } of await Promise.all(generations)) {
    expect([tokens.length, finishReason]).toEqual([400, "length"]);
  }
  await context.dispose();
});

describe("a context held by sequences", () => {
  test("a request that finds no room says so, or shifts where it may", async () => {
    const context = await model.createContext({ contextSize: 64, sequences: 1 });
    const sequence = await context.sequence();
    await sequence.evaluate(new Int32Array(40).fill(7));
    const request = { tokens: [5, 6, 7, 8], ignoreEos: true, maxTokens: 60 };
    await expect(context.generate(request)).rejects.toMatchObject({ code: "CONTEXT_OVERFLOW" });
    const shifted = await context.generate({ ...request, contextShift: true });
    expect(shifted.tokens.length).toBe(60);
    expect(shifted.contextShifts).toBeGreaterThan(0);
    await context.dispose();
  });

  test.each([1, 30, 2 ** 31 - 1])(
    "a request that shifts may be told to keep more than finds room (%i)",
    async (keepTokens) => {
      const context = await model.createContext({ contextSize: 64, sequences: 1 });
      const sequence = await context.sequence();
      for (const held of [40, 22]) {
        await sequence.evaluate(new Int32Array(held).fill(7));
        const request = { tokens: [5], ignoreEos: true, maxTokens: 60, contextShift: true, keepTokens };
        const { tokens, contextShifts } = await context.generate(request);
        expect(tokens.length).toBe(60);
        expect(contextShifts).toBeGreaterThan(0);
      }
      await context.dispose();
    },
  );
});

describe("hostile input", () => {
  test.each([
    ["deep parentheses", `root ::= ${"(".repeat(200_000)}"a"${")".repeat(200_000)}`],
    ["repetitions that fill the memory", `root ::= "${"a".repeat(100_000)}"{2000}`],
    [
      "very many rules",
      `root ::= r0\n${Array.from({ length: 20_000 }, (_, i) => `r${i} ::= r${i + 1}`).join("\n")}\nr20000 ::= "a"`,
    ],
  ])("a grammar with %s is refused", async (_what, grammar) => {
    const context = await model.createContext({ contextSize: 64 });
    await expect(context.generate({ tokens: [5], grammar })).rejects.toMatchObject({ code: "GRAMMAR" });
    await context.dispose();
  });

  test.each([
    ["parentheses", `{{ ${"(".repeat(200_000)}1${")".repeat(200_000)} }}`],
    ["operators", `{{ 1${" + 1".repeat(300_000)} }}`],
  ])("a template nested without end in %s is refused", (_what, source) => {
    expect(() => model.createChatTemplate(source)).toThrow(expect.objectContaining({ code: "TEMPLATE" }) as Error);
  });

  test.each([
    ["{{ x", 1],
    ["a\n{% for %}\n", 2],
    ["a\nb\n{{ 1 + }}\n", 3],
    ["a\n{% unknown %}", 2],
  ])("the broken template %j is TEMPLATE with line %i", (source, line) => {
    expect(() => model.createChatTemplate(source)).toThrow(
      expect.objectContaining({ code: "TEMPLATE", details: { line } }) as Error,
    );
  });

  test("a KV cache beyond this machine's memory is refused before it is allocated", async () => {
    const started = performance.now();
    await expect(model.createContext({ contextSize: 2_000_000_000 })).rejects.toMatchObject({
      code: "INSUFFICIENT_MEMORY",
      details: { contextSize: 2_000_000_000 },
    });
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
