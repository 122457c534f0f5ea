import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { countingModel } from "../../scripts/lib/counting-model.mjs";
import type { GenerateOptions, LlamaContext, LlamaModel } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { memoryModel, model125m, smollm2, tinyModel, vocabularyOnly } from "../support/models.js";
import { conversation, questions } from "../support/prompts.js";

const models: LlamaModel[] = [];

async function load(path: string, options = {}): Promise<LlamaModel> {
  const model = await loadModel(path, options);
  models.push(model);
  return model;
}

afterAll(async () => {
  for (const model of models) await model.dispose();
});

async function stepsOf(context: LlamaContext, options: GenerateOptions) {
  const before = context.stats().steps;
  const result = await context.generate(options);
  return { ...result, steps: context.stats().steps - before };
}

/** Token ids that count up, as the counting models go on. */
const count = (from: number, length: number) => Array.from({ length }, (_, i) => from + i);

describe("a small model that mostly knows what a large one will say", () => {
  let target: LlamaModel, draft: LlamaModel, context: LlamaContext;
  const request = { tokens: count(1000, 20), temperature: 0, ignoreEos: true, maxTokens: 96, cachePrompt: false };

  beforeAll(async () => {
    target = await load(await countingModel("125m"));
    draft = await load(await countingModel("tiny", 10));
    context = await target.createContext({ contextSize: 2048, sequences: 4, draftModel: draft });
    await context.generate({ ...request, maxTokens: 8 });
  });

  test("saves a step for each token that comes true, and changes none", async () => {
    const plain = await stepsOf(context, { ...request, draft: false });
    const drafted = await stepsOf(context, request);
    expect(plain.tokens).toEqual(new Int32Array(count(1020, 96)));
    expect(plain.usage.draftedTokens).toBe(0);
    expect(drafted.tokens).toEqual(plain.tokens);
    // How much is drafted depends on what this processor takes for another token in a step; each that comes true saves a step.
    expect(drafted.usage.acceptedTokens).toBeGreaterThan(0);
    expect(drafted.steps).toBeLessThanOrEqual(plain.steps - drafted.usage.acceptedTokens + 1);
  });

  test("drafts no more tokens a step than asked for", async () => {
    const one = await stepsOf(context, { ...request, draft: 1 });
    expect(one.tokens).toEqual(new Int32Array(count(1020, 96)));
    expect(one.steps).toBeGreaterThanOrEqual(48);
    expect(one.usage.draftedTokens).toBeLessThanOrEqual(48);
  });

  test("drafts for several requests at once, each its own text", async () => {
    // Its own context: one that has learned what steps cost may find that drafts for four do not pay here.
    const fresh = await target.createContext({ contextSize: 2048, sequences: 4, draftModel: draft });
    const starts = [2000, 5000, 2000, 9000];
    const ask = () =>
      Promise.all(starts.map((from) => fresh.generate({ ...request, tokens: count(from, 30), maxTokens: 60 })));
    const rounds = [await ask(), await ask()];
    for (const results of rounds) {
      expect(results.map(({ tokens }) => [...tokens])).toEqual(starts.map((from) => count(from + 30, 60)));
    }
    expect(rounds.flat().some(({ usage }) => usage.acceptedTokens > 0)).toBe(true);
    await fresh.dispose();
  });

  test("keeps up when old tokens are dropped, and when a request has to give way", async () => {
    const tight = await target.createContext({ contextSize: 96, sequences: 2, draftModel: draft });
    const shifted = await tight.generate({ ...request, maxTokens: 200, contextShift: true });
    expect([...shifted.tokens]).toEqual(count(1020, 200));
    expect(shifted.contextShifts).toBeGreaterThan(1);
    expect(shifted.usage.acceptedTokens).toBeGreaterThan(0);
    const both = await Promise.all(
      [3000, 4000].map((from) => tight.generate({ ...request, tokens: count(from, 20), maxTokens: 50 })),
    );
    expect(tight.stats().preemptions).toBeGreaterThan(0);
    expect(both.map(({ tokens }) => [...tokens])).toEqual([count(3020, 50), count(4020, 50)]);
    await tight.dispose();
  });

  test("stops in mid-text with its request, and the next one is drafted for as well", async () => {
    const controller = new AbortController();
    const generation = context.generate({ ...request, maxTokens: 1500, signal: controller.signal });
    let seen = 0;
    await expect(
      (async () => {
        for await (const text of generation) {
          seen += text.length;
          if (seen > 100) controller.abort(new Error("enough"));
        }
      })(),
    ).rejects.toThrow("enough");
    const after = await context.generate(request);
    expect([...after.tokens]).toEqual(count(1020, 96));
    expect(after.usage.acceptedTokens).toBeGreaterThan(0);
  });

  test("is disposed of with its contexts, whose requests reject with DISPOSED", async () => {
    const own = await load(await countingModel("tiny"));
    const other = await target.createContext({ contextSize: 2048, draftModel: own });
    const running = other.generate({ ...request, maxTokens: 1500 });
    await own.dispose();
    await expect(running).rejects.toMatchObject({ code: "DISPOSED" });
    expect(other.disposed).toBe(true);
    await expect(target.createContext({ draftModel: own })).rejects.toMatchObject({ code: "DISPOSED" });
    expect((await context.generate({ ...request, maxTokens: 4 })).tokens.length).toBe(4);
  });
});

describe("a draft model that does not pay", () => {
  test("that is always right, and costs more than what it saves, is left alone", async () => {
    // Many times as much as a step of the model's own, so that no other program's time on the processor can make it seem less.
    const model = await load(await countingModel("tiny"));
    const draftModel = await load(await countingModel("125m"));
    const context = await model.createContext({ contextSize: 1024, draftModel });
    const request = { tokens: count(1000, 20), temperature: 0, ignoreEos: true, maxTokens: 96, cachePrompt: false };
    const plain = await stepsOf(context, { ...request, draft: false });
    const drafted = await stepsOf(context, { ...request, draft: 16 });
    expect(drafted.tokens).toEqual(plain.tokens);
    expect(drafted.usage.draftedTokens).toBeGreaterThan(0);
    expect(drafted.usage.acceptedTokens).toBe(drafted.usage.draftedTokens);
    expect(drafted.usage.draftedTokens).toBeLessThan(16);
    await context.dispose();
  });

  test("that is the model itself is always right, and saves a step for each token", async () => {
    const model = await load(await smollm2());
    const context = await model.createContext({ contextSize: 1024, draftModel: model });
    const request = { prompt: "1, 2, 3, 4, 5,", temperature: 0, ignoreEos: true, maxTokens: 96, cachePrompt: false };
    const plain = await stepsOf(context, { ...request, draft: false });
    const drafted = await stepsOf(context, { ...request, draft: 16 });
    expect(drafted.tokens).toEqual(plain.tokens);
    expect(drafted.usage.draftedTokens).toBeGreaterThan(0);
    expect(drafted.usage.acceptedTokens).toBe(drafted.usage.draftedTokens);
    expect(drafted.steps).toBe(plain.steps - drafted.usage.acceptedTokens);
    await context.dispose();
  });

  test("that knows nothing is asked a few times only, with seeds as well", async () => {
    const model = await load(await model125m());
    const context = await model.createContext({
      contextSize: 1024,
      draftModel: await load(await tinyModel("q4_k_m", 2)),
    });
    for (const options of [{ temperature: 0 }, { temperature: 0.7, seed: 5 }]) {
      const request = { tokens: count(300, 12), ignoreEos: true, maxTokens: 150, cachePrompt: false, ...options };
      const plain = await context.generate({ ...request, draft: false });
      const drafted = await context.generate(request);
      expect(drafted.tokens).toEqual(plain.tokens);
      expect(drafted.usage.draftedTokens).toBeLessThan(16);
    }
    await context.dispose();
  });

  test("answers of a real model do not change with seeds, stop strings and lookup beside it", async () => {
    const model = await load(await smollm2());
    const context = await model.createContext({ contextSize: 2048, sequences: 4, draftModel: model });
    const base = { prompt: "a b c d a b c e a b d c a b", cachePrompt: false, promptLookup: 8 };
    for (const options of [
      { temperature: 0, maxTokens: 7 },
      { temperature: 0, maxTokens: 40, stop: "d" },
      { temperature: 0.7, seed: 5, maxTokens: 30 },
    ]) {
      const plain = await context.generate({ ...base, ...options, promptLookup: false, draft: false });
      const drafted = await context.generate({ ...base, ...options });
      expect(drafted.text, JSON.stringify(options)).toBe(plain.text);
      expect(drafted.finishReason).toBe(plain.finishReason);
    }
    const ask = (draft: boolean) =>
      Promise.all(
        questions
          .slice(0, 4)
          .map((question) =>
            context.generate({ messages: conversation(question), temperature: 0, maxTokens: 24, draft }),
          ),
      );
    const plain = await ask(false);
    expect((await ask(true)).map(({ text }) => text)).toEqual(plain.map(({ text }) => text));
    await context.dispose();
  });
});

describe("what cannot draft is refused", () => {
  let target: LlamaModel;
  beforeAll(async () => {
    target = await load(await tinyModel());
  });

  const refused = async (draftModel: unknown, message: RegExp) => {
    const creation = target.createContext({ contextSize: 256, draftModel: draftModel as LlamaModel });
    await expect(creation).rejects.toThrow(message);
    await expect(creation).rejects.toMatchObject({ code: "INVALID_OPTION" });
  };

  test("another vocabulary, with what differs", async () => {
    await refused(await load(await smollm2()), /its type is bpe where the model has spm/);
  });

  test("a model whose memory cannot be cut back, one without weights, and what is no model", async () => {
    await refused(await load(await memoryModel("recurrent")), /cut back/);
    await refused(await load(await vocabularyOnly(), { vocabularyOnly: true }), /weights/);
    await refused("a path", /a LlamaModel/);
  });

  test("draft in a context without a draft model", async () => {
    const context = await target.createContext({ contextSize: 256 });
    await expect(context.generate({ tokens: [300], draft: true })).rejects.toMatchObject({ code: "INVALID_OPTION" });
    expect((await context.generate({ tokens: [300], draft: false, maxTokens: 1 })).tokens.length).toBe(1);
    await context.dispose();
  });
});
