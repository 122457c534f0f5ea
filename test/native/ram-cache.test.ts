import { afterAll, beforeAll, expect, test } from "vitest";

import type { GenerationResult, LlamaContext, LlamaModel } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { memoryModel, tinyModel } from "../support/models.js";

const exact = { kvType: "f32", flashAttention: "off", contextSize: 512, sequences: 1 } as const;

/** Tokens of ordinary pieces of the vocabulary, others for every seed. */
const text = (seed: number, length: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => 300 + ((Math.imul(seed * 1_000_003 + i, 2_654_435_761) >>> 0) % 31_000));

const ask = async (context: LlamaContext, tokens: Int32Array): Promise<GenerationResult> =>
  context.generate({ tokens, maxTokens: 16, temperature: 0, ignoreEos: true, cachePrompt: true });

const models: LlamaModel[] = [];
let attention: LlamaModel;
let recurrent: LlamaModel;

beforeAll(async () => {
  attention = await loadModel(await tinyModel());
  recurrent = await loadModel(await memoryModel("recurrent"));
  models.push(attention, recurrent);
});
afterAll(async () => {
  for (const model of models) await model.dispose();
});

test("a conversation that left the KV cache comes back from RAM, with the same answer", async () => {
  for (const model of [attention, recurrent]) {
    const context = await model.createContext({ ...exact, ramCacheSize: 64 << 20 });
    const opening = text(1, 300);
    const answer = await ask(context, opening);
    await ask(context, text(2, 450)); // needs all of the room
    expect(context.stats()).toMatchObject({ storedSequences: 1, restoredSequences: 0 });
    expect(context.stats().storedBytes).toBeGreaterThan(0);

    const next = Int32Array.from([...opening, ...answer.tokens, ...text(3, 20)]);
    const result = await ask(context, next);
    expect(context.stats().restoredSequences).toBe(1);
    expect(result.usage.cachedTokens).toBe(opening.length + answer.tokens.length - 1);
    const alone = await model.createContext(exact);
    expect(Array.from(result.tokens)).toEqual(Array.from((await ask(alone, next)).tokens));
    await alone.dispose();
    await context.dispose();
  }
});

test("a conversation that another one with the same first words overwrote comes back too", async () => {
  const context = await attention.createContext({ ...exact, ramCacheSize: 64 << 20 });
  const greeting = text(7, 8);
  const first = Int32Array.from([...greeting, ...text(8, 300)]);
  await ask(context, first);
  const { usage } = await ask(context, Int32Array.from([...greeting, ...text(9, 300)]));
  expect(usage.cachedTokens).toBe(greeting.length);
  expect((await ask(context, first)).usage.cachedTokens).toBe(first.length - 1);
  expect(context.stats().restoredSequences).toBe(1);
  await context.dispose();
});

test("a prompt that shares the beginning of a stored sequence takes that part, where the memory can be cut", async () => {
  const context = await attention.createContext({ ...exact, ramCacheSize: 64 << 20 });
  const first = text(4, 300);
  await ask(context, first);
  await ask(context, text(5, 450));
  const other = Int32Array.from([...first.subarray(0, 200), ...text(6, 30)]);
  const result = await ask(context, other);
  expect(result.usage.cachedTokens).toBe(200);
  const alone = await attention.createContext(exact);
  expect(Array.from(result.tokens)).toEqual(Array.from((await ask(alone, other)).tokens));
  await alone.dispose();
  await context.dispose();
});

test("a request that has to wait for room lets nothing go that it would begin with", async () => {
  const context = await attention.createContext({ ...exact, contextSize: 512, sequences: 2 });
  const first = text(7, 150);
  await ask(context, first);
  const waiting = new Promise<GenerationResult>((resolve) => {
    let asked = false;
    const onToken = (): void => {
      if (!asked) resolve(ask(context, Int32Array.from([...first, ...text(9, 200)])));
      asked = true;
    };
    void context.generate({ tokens: text(8, 200), maxTokens: 60, temperature: 0, ignoreEos: true, onToken });
  });
  expect((await waiting).usage.cachedTokens).toBe(150);
  await context.dispose();
});

test("its bytes are a limit, and without it nothing is kept", async () => {
  const probe = await attention.createContext({ ...exact, ramCacheSize: 64 << 20 });
  await ask(probe, text(7, 300));
  await ask(probe, text(8, 450));
  const { storedBytes } = probe.stats();
  await probe.dispose();
  for (const ramCacheSize of [storedBytes - 1, 0]) {
    const context = await attention.createContext({ ...exact, ramCacheSize });
    await ask(context, text(7, 300));
    await ask(context, text(8, 450));
    expect(context.stats()).toMatchObject({ storedSequences: 0, storedBytes: 0 });
    expect((await ask(context, text(7, 300))).usage.cachedTokens).toBe(0);
    await context.dispose();
  }
  await expect(attention.createContext({ ramCacheSize: -1 })).rejects.toMatchObject({ code: "INVALID_OPTION" });
});
