import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { LlamaContext, LlamaModel } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { smollm2 } from "../support/models.js";
import { conversation, questions } from "../support/prompts.js";

let model: LlamaModel;
let context: LlamaContext;

beforeAll(async () => {
  model = await loadModel(await smollm2());
  context = await model.createContext({ contextSize: 4096, sequences: 8 });
});

afterAll(async () => {
  await model.dispose();
});

const greedy = { temperature: 0, maxTokens: 24 } as const;

describe("answers", () => {
  test("a question is answered, and the three ways to read the answer agree", async () => {
    const pieces: string[] = [];
    const generation = context.generate({
      ...greedy,
      messages: conversation("What is the capital of Japan?"),
      onToken: (piece) => pieces.push(piece.text),
    });
    let iterated = "";
    for await (const text of generation) iterated += text;
    const result = await generation;
    expect(result.text).toContain("Tokyo");
    expect(result.finishReason).toBe("stop");
    expect(result.stopToken).toBe(model.tokenizer.special.eos);
    expect(iterated).toBe(result.text);
    expect(pieces.join("")).toBe(result.text);
    expect(result.usage.completionTokens).toBe(result.tokens.length);
    expect(result.timings.firstTokenMs).toBeGreaterThan(0);
    expect(result.timings.totalMs).toBeGreaterThanOrEqual(result.timings.firstTokenMs);
  });

  test("tokens of a single stream cross together, but for the first, and wait for no others where that is not wanted", async () => {
    const sizes = async (packetInterval: number): Promise<number[]> => {
      const own = await model.createContext({ contextSize: 256, sequences: 1, packetInterval });
      const received: number[] = [];
      const onToken = ({ tokens }: { tokens: readonly number[] }): void => void received.push(tokens.length);
      await own.generate({ ...greedy, prompt: "One, two, three,", maxTokens: 21, ignoreEos: true, onToken });
      await own.dispose();
      return received;
    };
    const together = await sizes(60_000);
    expect(together[0]).toBe(1);
    expect(Math.min(...together.slice(1))).toBeGreaterThanOrEqual(4);
    // Several may still cross together where the JS thread was late.
    expect((await sizes(0)).length).toBeGreaterThan(together.length);
  });

  test("eight concurrent greedy generations each equal their solo run", async () => {
    const solo: string[] = [];
    for (const question of questions) {
      const { text } = await context.generate({ ...greedy, messages: conversation(question), cachePrompt: false });
      solo.push(text);
    }
    const before = context.stats();
    const together = await Promise.all(
      questions.map((question) =>
        context.generate({ ...greedy, messages: conversation(question), cachePrompt: false }),
      ),
    );
    const after = context.stats();
    expect(together.map(({ text }) => text)).toEqual(solo);
    // They really ran side by side: fewer steps than tokens.
    expect(after.steps - before.steps).toBeLessThan(after.generatedTokens - before.generatedTokens);
  });

  test("more requests than sequences wait their turn and all end", async () => {
    const small = await model.createContext({ contextSize: 512, sequences: 2 });
    const results = await Promise.all(
      Array.from({ length: 7 }, (_, i) => small.generate({ prompt: `Number ${i}:`, temperature: 0, maxTokens: 6 })),
    );
    expect(results.map(({ usage }) => usage.completionTokens)).toEqual(Array.from({ length: 7 }, () => 6));
    await small.dispose();
  });

  test("the same seed gives the same text, another seed another", async () => {
    const ask = (seed: number) =>
      context.generate({ prompt: "Once upon a time", seed, maxTokens: 20, temperature: 1, cachePrompt: false });
    const [first, again, other] = [await ask(7), await ask(7), await ask(8)];
    expect(again.text).toBe(first.text);
    expect(other.text).not.toBe(first.text);
    expect(first.seed).toBe(7);
  });
});

describe("endings", () => {
  test("maxTokens ends with length; 0 evaluates the prompt only", async () => {
    const three = await context.generate({ prompt: "The sky is", temperature: 0, maxTokens: 3 });
    expect([three.finishReason, three.tokens.length]).toEqual(["length", 3]);
    const none = await context.generate({ prompt: "The sky is", temperature: 0, maxTokens: 0 });
    expect([none.finishReason, none.text, none.tokens.length]).toEqual(["length", "", 0]);
  });

  test("a stop string ends the text before it and never leaks", async () => {
    const prompt = "1, 2, 3, 4, 5,";
    const free = await context.generate({ prompt, temperature: 0, maxTokens: 20 });
    expect(free.text).toContain("8, 9");
    let streamed = "";
    const generation = context.generate({ prompt, temperature: 0, maxTokens: 20, stop: ["8, 9", "never"] });
    for await (const text of generation) streamed += text;
    const result = await generation;
    expect(result.finishReason).toBe("stop");
    expect(result.stopString).toBe("8, 9");
    expect(result.text).toBe(free.text.slice(0, free.text.indexOf("8, 9")));
    expect(streamed).toBe(result.text);
  });

  test("a stop token ends before it", async () => {
    const [comma] = model.tokenizer.encode(",");
    const result = await context.generate({
      prompt: "1, 2, 3",
      temperature: 0,
      maxTokens: 20,
      stopTokens: [comma ?? 0],
    });
    expect(result.finishReason).toBe("stop");
    expect(result.stopToken).toBe(comma);
    expect(result.text).not.toContain(",");
  });

  test("ignoreEos goes on to maxTokens", async () => {
    const result = await context.generate({
      messages: conversation("What is the capital of Japan?"),
      temperature: 0,
      maxTokens: 40,
      ignoreEos: true,
    });
    expect(result.tokens.length).toBe(40);
  });

  test("a full context ends with length, or drops old tokens where asked for", async () => {
    const small = await model.createContext({ contextSize: 64, sequences: 1 });
    const ended = await small.generate({ prompt: "Count: 1, 2, 3, 4,", temperature: 0, ignoreEos: true });
    expect(ended.finishReason).toBe("length");
    expect(ended.usage.totalTokens).toBe(65); // the last token is sampled but never evaluated
    const shifted = await small.generate({
      prompt: "Count: 1, 2, 3, 4,",
      temperature: 0,
      ignoreEos: true,
      contextShift: true,
      maxTokens: 150,
    });
    expect([shifted.finishReason, shifted.tokens.length]).toEqual(["length", 150]);
    expect(shifted.contextShifts).toBeGreaterThan(1);
    await small.dispose();
  });

  test("a prompt too long is CONTEXT_OVERFLOW with both counts", async () => {
    const small = await model.createContext({ contextSize: 64, sequences: 1 });
    await expect(small.generate({ tokens: new Int32Array(65).fill(100), maxTokens: 1 })).rejects.toMatchObject({
      code: "CONTEXT_OVERFLOW",
      details: { promptTokens: 65, contextSize: 64 },
    });
    await small.dispose();
  });
});

describe("sampling", () => {
  const start = { prompt: "The best thing about the sea is", maxTokens: 16, seed: 3, cachePrompt: false } as const;

  test.each([
    { topK: 5 },
    { topP: 0.5 },
    { minP: 0.3 },
    { typicalP: 0.5 },
    { topNSigma: 1 },
    { dynamicTemperature: { range: 0.5, exponent: 1.2 } },
    { xtc: { probability: 1, threshold: 0.05 } },
    { dry: { multiplier: 2, base: 1.75, allowedLength: 1 } },
    { repeatPenalty: 1.3, repeatLastTokens: -1 },
    { frequencyPenalty: 1 },
    { presencePenalty: 1 },
    { mirostat: { version: 1 as const } },
    { mirostat: { version: 2 as const, tau: 3, eta: 0.2 } },
    { samplerOrder: ["temperature" as const, "topK" as const] },
  ])("%o runs, and a seed repeats it", async (options) => {
    const first = await context.generate({ ...start, temperature: 0.9, ...options });
    const again = await context.generate({ ...start, temperature: 0.9, ...options });
    expect(first.text).not.toBe("");
    expect(again.text).toBe(first.text);
  });

  test("topK 1 is greedy whatever the temperature", async () => {
    const expected = await context.generate({ ...start, temperature: 0 });
    const result = await context.generate({ ...start, temperature: 2, topK: 1 });
    expect(result.text).toBe(expected.text);
  });

  test("a banned token does not come", async () => {
    const [paris] = model.tokenizer.encode(" Paris");
    const prompt = "The capital of France is";
    const free = await context.generate({ prompt, temperature: 0, maxTokens: 1 });
    expect(free.tokens[0]).toBe(paris);
    const biased = await context.generate({
      prompt,
      temperature: 0,
      maxTokens: 1,
      logitBias: new Map([[paris ?? 0, Number.NEGATIVE_INFINITY]]),
    });
    expect(biased.tokens[0]).not.toBe(paris);
  });

  test("a repetition penalty keeps greedy text from looping", async () => {
    const prompt = "La la la la la la la la";
    const looping = await context.generate({ prompt, temperature: 0, maxTokens: 24 });
    const varied = await context.generate({
      prompt,
      temperature: 0,
      maxTokens: 24,
      repeatPenalty: 2,
      repeatLastTokens: -1,
    });
    expect(new Set(varied.tokens).size).toBeGreaterThan(new Set(looping.tokens).size);
  });

  test("a grammar shapes the text", async () => {
    const result = await context.generate({
      messages: conversation("Is water wet? Answer yes or no."),
      grammar: 'root ::= "yes" | "no"',
      temperature: 0.9,
    });
    expect(["yes", "no"]).toContain(result.text);
    expect(result.finishReason).toBe("stop");
  });

  test("a broken grammar is GRAMMAR with its line, and the context goes on", async () => {
    const broken = context.generate({ prompt: "x", grammar: 'root ::= "a"\nother = "b"' });
    await expect(broken).rejects.toMatchObject({ code: "GRAMMAR", details: { line: 2 } });
    await expect(context.generate({ prompt: "x", grammar: "root ::= missing" })).rejects.toThrow(/"missing"/);
    await expect(context.generate({ prompt: "x", grammar: 'start ::= "a"' })).rejects.toThrow(/"root"/);
    const { text } = await context.generate({ prompt: "1, 2, 3,", temperature: 0, maxTokens: 3 });
    expect(text).toContain("4");
  });

  test("logprobs are the model's own probabilities", async () => {
    const prompt = "The capital of France is";
    const result = await context.generate({ prompt, temperature: 0, maxTokens: 4, logprobs: 3 });
    expect(result.logprobs).toHaveLength(4);
    for (const entry of result.logprobs ?? []) {
      expect(entry.top).toHaveLength(3);
      expect(entry.logprob).toBeLessThanOrEqual(0);
      // Greedy: the chosen token is the most likely one.
      expect(entry.top[0]?.token).toBe(entry.token);
      expect(entry.top[0]?.logprob).toBe(entry.logprob);
      expect(entry.top[1]?.logprob).toBeLessThanOrEqual(entry.top[0]?.logprob ?? 0);
    }
    // The same from raw logits, summed by hand.
    const sequence = await context.sequence();
    const logits = await sequence.evaluate(model.tokenizer.encode(prompt, { addSpecial: true }));
    const max = Math.max(...(logits ?? []));
    const sum = (logits ?? new Float32Array()).reduce((total, value) => total + Math.exp(value - max), 0);
    const first = result.logprobs?.[0];
    const expected = (logits?.[first?.token ?? 0] ?? 0) - max - Math.log(sum);
    expect(first?.logprob).toBeCloseTo(expected, 2);
    await sequence.dispose();
  });
});

describe("text", () => {
  test("emoji and CJK come as whole characters", async () => {
    const grammar = 'root ::= "😀👩‍👩‍👧‍👦日本語" ';
    const pieces: string[] = [];
    const generation = context.generate({ prompt: "Emoji:", grammar, temperature: 0, maxTokens: 80 });
    for await (const text of generation) pieces.push(text);
    expect(pieces.join("")).toBe("😀👩‍👩‍👧‍👦日本語");
    for (const piece of pieces) expect(piece).not.toContain("\uFFFD");
    const { tokens } = await generation;
    expect(tokens.length).toBeGreaterThan(pieces.length); // some tokens were parts of a character
  });
});

describe("the cache", () => {
  test("a prompt that repeats another's beginning is not evaluated again", async () => {
    const fresh = await model.createContext({ contextSize: 2048, sequences: 4 });
    const prefix = "The quick brown fox jumps over the lazy dog. ".repeat(20);
    const first = await fresh.generate({ prompt: `${prefix}A`, temperature: 0, maxTokens: 1 });
    const second = await fresh.generate({ prompt: `${prefix}B`, temperature: 0, maxTokens: 1 });
    expect(first.usage.cachedTokens).toBe(0);
    expect(second.usage.promptTokens - second.usage.cachedTokens).toBeLessThanOrEqual(2);
    const ignored = await fresh.generate({ prompt: `${prefix}C`, temperature: 0, maxTokens: 1, cachePrompt: false });
    expect(ignored.usage.cachedTokens).toBe(0);
    await fresh.dispose();
  });

  test("requests that arrive together share the prefix that the first evaluates", async () => {
    const fresh = await model.createContext({ contextSize: 2048, sequences: 4 });
    const prefix = "The quick brown fox jumps over the lazy dog. ".repeat(30);
    const results = await Promise.all(
      ["A", "B", "C", "D"].map((end) => fresh.generate({ prompt: prefix + end, temperature: 0, maxTokens: 4 })),
    );
    const evaluated = results.map(({ usage }) => usage.promptTokens - usage.cachedTokens);
    expect(evaluated.filter((count) => count > 10)).toHaveLength(1);
    await fresh.dispose();
  });

  test("what is cached gives way when room is needed, and everything still ends", async () => {
    const small = await model.createContext({ contextSize: 256, sequences: 4 });
    for (let round = 0; round < 3; round++) {
      const results = await Promise.all(
        Array.from({ length: 6 }, (_, i) =>
          small.generate({ prompt: `${round} ${i} `.repeat(20), temperature: 0, maxTokens: 40, ignoreEos: true }),
        ),
      );
      expect(results.map(({ tokens }) => tokens.length)).toEqual(Array.from({ length: 6 }, () => 40));
    }
    const stats = small.stats();
    expect(stats.evictions).toBeGreaterThan(0);
    expect(stats.usedCells).toBeLessThanOrEqual(stats.totalCells);
    await small.dispose();
  });

  test("a request that had to give way goes on where it was", async () => {
    const roomy = await model.createContext({ contextSize: 1024, sequences: 1 });
    const expected = await roomy.generate({ prompt: "1, 2, 3, 4,", temperature: 0, maxTokens: 60, ignoreEos: true });
    await roomy.dispose();
    const tight = await model.createContext({ contextSize: 128, sequences: 2 });
    const results = await Promise.all(
      [0, 1].map(() =>
        tight.generate({ prompt: "1, 2, 3, 4,", temperature: 0, maxTokens: 60, ignoreEos: true, cachePrompt: false }),
      ),
    );
    expect(tight.stats().preemptions).toBeGreaterThan(0);
    expect(results.map(({ text }) => text)).toEqual([expected.text, expected.text]);
    await tight.dispose();
  });
});

test("the queue is bounded", async () => {
  const small = await model.createContext({ contextSize: 256, sequences: 1, queueSize: 2 });
  const ask = () => small.generate({ prompt: "Hello", temperature: 0, maxTokens: 20, ignoreEos: true });
  const accepted = [ask(), ask(), ask()];
  await expect(ask()).rejects.toMatchObject({ code: "QUEUE_FULL" });
  await Promise.all(accepted);
  await expect(ask()).resolves.toMatchObject({ finishReason: "length" });
  await small.dispose();
});

describe("prompt lookup", () => {
  const passage =
    "The old lighthouse keeper walked down to the harbour every morning, counted the fishing boats twice, and wrote their " +
    "names in a blue notebook that he kept in the left pocket of his coat. ";
  const copying = {
    prompt: `${passage.repeat(4)}The old lighthouse keeper`,
    temperature: 0,
    maxTokens: 64,
    cachePrompt: false,
  };

  test("takes fewer steps where a text repeats itself, and changes nothing", async () => {
    const before = context.stats().steps;
    const plain = await context.generate(copying);
    const between = context.stats().steps;
    const drafted = await context.generate({ ...copying, promptLookup: true });
    const after = context.stats().steps;
    expect(drafted.text).toBe(plain.text);
    expect(plain.usage.draftedTokens).toBe(0);
    expect(drafted.usage.acceptedTokens).toBeGreaterThan(30);
    expect(after - between).toBeLessThan((between - before) / 2);
  });

  test("agrees with plain sampling where drafts are often wrong, with seeds, stop strings and maxTokens", async () => {
    const prompt = "a b c d a b c e a b d c a b";
    for (const options of [
      { temperature: 0, maxTokens: 40 },
      { temperature: 0, maxTokens: 7 },
      { temperature: 0, maxTokens: 40, stop: "d" },
      { temperature: 0.7, seed: 5, maxTokens: 30 },
    ]) {
      const plain = await context.generate({ prompt, cachePrompt: false, ...options });
      const drafted = await context.generate({ prompt, cachePrompt: false, ...options, promptLookup: 8 });
      expect(drafted.text, JSON.stringify(options)).toBe(plain.text);
      expect(drafted.finishReason).toBe(plain.finishReason);
    }
  });

  test("takes each request's drafts for its own where several have some in a step", async () => {
    const ask = (promptLookup: boolean) =>
      Promise.all(
        ["keeper", "notebook", "harbour"].map((word) => {
          const prompt = passage.repeat(3) + passage.slice(0, passage.indexOf(word));
          return context.generate({ ...copying, prompt, maxTokens: 48, promptLookup });
        }),
      );
    const plain = await ask(false);
    await ask(true);
    const drafted = await ask(true);
    expect(drafted.map(({ text }) => text)).toEqual(plain.map(({ text }) => text));
    expect(drafted.filter(({ usage }) => usage.acceptedTokens > 0).length).toBeGreaterThan(1);
  });
});

test("a temperature of 0 takes the likeliest token, whatever else is asked for", async () => {
  const request = { prompt: "Once upon a time", temperature: 0, repeatPenalty: 1.1, maxTokens: 24 };
  const expected = await context.generate({ ...request, seed: 1 });
  for (const options of [{ samplerOrder: ["penalties", "topK"] as const }, { dynamicTemperature: { range: 0.5 } }]) {
    for (const seed of [1, 2, 3]) {
      expect((await context.generate({ ...request, ...options, seed })).text).toBe(expected.text);
    }
  }
});
