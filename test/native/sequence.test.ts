import { afterAll, beforeAll, expect, test } from "vitest";

import type { LlamaContext, LlamaModel } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { smollm2, tinyModel } from "../support/models.js";

let model: LlamaModel;
let context: LlamaContext;

beforeAll(async () => {
  model = await loadModel(await smollm2());
  context = await model.createContext({ contextSize: 1024, sequences: 2 });
});

afterAll(async () => {
  await model.dispose();
});

function argmax(logits: Float32Array | null): number {
  if (logits === null) throw new Error("no logits");
  return logits.indexOf(Math.max(...logits));
}

test("evaluating by hand gives what generate gives", async () => {
  const prompt = "The capital of France is";
  const expected = await context.generate({ prompt, temperature: 0, maxTokens: 5 });
  const sequence = await context.sequence();
  let logits = await sequence.evaluate(model.tokenizer.encode(prompt, { addSpecial: true }));
  const tokens: number[] = [];
  while (tokens.length < 5) {
    tokens.push(argmax(logits));
    logits = await sequence.evaluate([tokens.at(-1) ?? 0]);
  }
  expect(Int32Array.from(tokens)).toEqual(expected.tokens);
  await sequence.dispose();
});

test("all logits are rows, also beyond one batch, and the last row is the last token's", async () => {
  const tokens = model.tokenizer.encode("one two three four five six seven eight nine ten ".repeat(12));
  const all = await context.sequence();
  const rows = await all.evaluate(tokens, { logits: "all" });
  const size = model.tokenizer.vocabularySize;
  expect(rows?.length).toBe(tokens.length * size);
  const last = await context.sequence();
  expect(argmax(await last.evaluate(tokens))).toBe(argmax(rows?.subarray(-size) ?? null));
  expect(await last.evaluate([5], { logits: "none" })).toBeNull();
  await all.dispose();
  await last.dispose();
});

test("a fork goes its own way", async () => {
  const sequence = await context.sequence();
  await sequence.evaluate(model.tokenizer.encode("1, 2, 3,"));
  const fork = await sequence.fork();
  const apple = model.tokenizer.encode(" an apple");
  const length = sequence.length;
  await fork.evaluate(apple);
  expect([sequence.length, fork.length]).toEqual([length, length + apple.length]);
  const straight = await sequence.evaluate(model.tokenizer.encode(" 4"));
  const fresh = await context.sequence();
  const expected = await fresh.evaluate(model.tokenizer.encode("1, 2, 3, 4"));
  expect(argmax(straight)).toBe(argmax(expected));
  for (const each of [sequence, fork, fresh]) await each.dispose();
});

test("truncating forgets the end", async () => {
  const sequence = await context.sequence();
  const tokens = model.tokenizer.encode("The capital of France is");
  const expected = argmax(await sequence.evaluate(tokens));
  await sequence.evaluate(model.tokenizer.encode(" a lovely banana"));
  await sequence.truncate(tokens.length - 1);
  expect(argmax(await sequence.evaluate(tokens.slice(-1)))).toBe(expected);
  await expect(sequence.truncate(1000)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  await sequence.dispose();
});

test("a saved sequence comes back, in another context too; a damaged or foreign state is refused", async () => {
  const sequence = await context.sequence();
  const tokens = model.tokenizer.encode("The capital of France is");
  const expected = argmax(await sequence.evaluate(tokens));
  const state = await sequence.save();

  const other = await model.createContext({ contextSize: 256 });
  const restored = await other.sequence();
  await restored.restore(state);
  expect(restored.tokens).toEqual(tokens);
  await restored.truncate(tokens.length - 1);
  expect(argmax(await restored.evaluate(tokens.slice(-1)))).toBe(expected);

  const invalid = { code: "INVALID_OPTION" };
  const damaged = state.slice();
  const middle = Math.floor(damaged.length / 2);
  damaged[middle] = (damaged[middle] ?? 0) ^ 1;
  await expect(restored.restore(damaged)).rejects.toMatchObject(invalid);
  await expect(restored.restore(state.subarray(0, 100))).rejects.toMatchObject(invalid);
  await expect(restored.restore(new Uint8Array(10))).rejects.toMatchObject(invalid);
  const tiny = await loadModel(await tinyModel());
  const foreign = await (await tiny.createContext({ contextSize: 256 })).sequence();
  await expect(foreign.restore(state)).rejects.toMatchObject(invalid);
  await tiny.dispose();

  const small = await model.createContext({ contextSize: 2 });
  await expect((await small.sequence()).restore(state)).rejects.toMatchObject({ code: "CONTEXT_OVERFLOW" });
  for (const each of [small, other]) await each.dispose();
  await sequence.dispose();
});

test("too many tokens are CONTEXT_OVERFLOW and change nothing", async () => {
  const small = await model.createContext({ contextSize: 32 });
  const sequence = await small.sequence();
  await sequence.evaluate([1, 2, 3]);
  await expect(sequence.evaluate(new Int32Array(40).fill(5))).rejects.toMatchObject({ code: "CONTEXT_OVERFLOW" });
  expect(sequence.length).toBe(3);
  await sequence.evaluate([4]);
  await small.dispose();
});

test("tokens of which only some were evaluated, because a request took the room meanwhile, are taken back", async () => {
  const own = await model.createContext({ contextSize: 256, batchSize: 64, sequences: 2 });
  const sequence = await own.sequence();
  await sequence.evaluate([1, 2, 3]);
  const many = sequence.evaluate(new Int32Array(160).fill(5));
  const request = own.generate({ tokens: new Int32Array(120).fill(7), ignoreEos: true, maxTokens: 20 });
  const [evaluated] = await Promise.allSettled([many, request]);
  if (evaluated.status === "rejected") {
    expect(evaluated.reason).toMatchObject({ code: "CONTEXT_OVERFLOW", details: { length: 3 } });
    expect(sequence.length).toBe(3);
  } else {
    expect(sequence.length).toBe(163);
  }
  const tokens = [...sequence.tokens, 4];
  const next = argmax(await sequence.evaluate([4]));
  const other = await model.createContext({ contextSize: 256 });
  expect(argmax(await (await other.sequence()).evaluate(tokens))).toBe(next);
  for (const each of [own, other]) await each.dispose();
});

test("a state that cannot be restored leaves what was there, or says that it has gone", async () => {
  const [large, small, coarse] = await Promise.all([
    model.createContext({ contextSize: 256 }),
    model.createContext({ contextSize: 32 }),
    model.createContext({ contextSize: 256, kvType: "q8_0" }),
  ]);
  const saved = await large.sequence();
  await saved.evaluate(new Int32Array(40).fill(5));
  const state = await saved.save();
  const kept = await small.sequence();
  await kept.evaluate([1, 2, 3]);
  await expect(kept.restore(state)).rejects.toMatchObject({ code: "CONTEXT_OVERFLOW" });
  expect(kept.length).toBe(3);
  const gone = await coarse.sequence();
  await gone.evaluate([1, 2, 3]);
  await expect(gone.restore(state)).rejects.toMatchObject({ code: "INVALID_OPTION", details: { length: 0 } });
  expect([gone.length, gone.logits]).toEqual([0, null]);
  const fresh = await coarse.sequence();
  expect(argmax(await gone.evaluate([1, 2]))).toBe(argmax(await fresh.evaluate([1, 2])));
  for (const each of [large, small, coarse]) await each.dispose();
});

test("sequences and requests share the context; too many sequences are refused", async () => {
  const own = await model.createContext({ contextSize: 512, sequences: 1 });
  const open = [];
  for (let i = 0; i < 16; i++) open.push(await own.sequence());
  await expect(own.sequence()).rejects.toMatchObject({ code: "QUEUE_FULL" });
  const { text } = await own.generate({ prompt: "1, 2, 3,", temperature: 0, maxTokens: 3 });
  expect(text).toContain("4");
  for (const each of open) await each.dispose();
  await (await own.sequence()).dispose();
  await own.dispose();
});
