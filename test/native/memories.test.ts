// The prefix cache on models whose memory cannot be cut at any position. Their weights and caches have 32 bits and
// attention is computed without flash attention, so that the order of sums, which batches and cells decide, changes the
// seventh digit of logits and no greedy choice.

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { GenerationResult, LlamaContext, LlamaModel, LlamaSequence } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import type { MemoryShape } from "../support/models.js";
import { memoryModel } from "../support/models.js";

const shapes: MemoryShape[] = ["recurrent", "hybrid", "sliding-window", "hybrid-sliding-window"];
const exact = { kvType: "f32", flashAttention: "off" } as const;
const greedy = { temperature: 0, maxTokens: 24, ignoreEos: true, logprobs: 0 } as const;

/** Tokens of ordinary pieces of the vocabulary, others for every seed. */
function text(seed: number, length: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => 300 + ((Math.imul(seed * 1_000_003 + i, 2_654_435_761) >>> 0) % 31_000));
}

function join(...parts: ArrayLike<number>[]): Int32Array {
  return Int32Array.from(parts.flatMap((part) => Array.from(part)));
}

/** The same tokens, each with the same probability. */
function expectSame(result: GenerationResult, expected: GenerationResult): void {
  expect(Array.from(result.tokens)).toEqual(Array.from(expected.tokens));
  for (const [index, { logprob }] of (expected.logprobs ?? []).entries()) {
    expect(result.logprobs?.[index]?.logprob).toBeCloseTo(logprob, 3);
  }
}

function expectClose(logits: Float32Array | null, expected: Float32Array | null): void {
  expect(logits).toHaveLength(32_000);
  const difference = (logits ?? new Float32Array()).reduce(
    (most, logit, index) => Math.max(most, Math.abs(logit - (expected?.[index] ?? Number.NaN))),
    0,
  );
  expect(difference).toBeLessThan(1e-3);
}

describe.each(shapes)("%s memory", (shape) => {
  let model: LlamaModel;
  let context: LlamaContext;
  /** Never reuses anything. */
  let alone: LlamaContext;

  beforeAll(async () => {
    model = await loadModel(await memoryModel(shape));
    context = await model.createContext({ contextSize: 8192, sequences: 8, ...exact });
    alone = await model.createContext({ contextSize: 2048, sequences: 1, ...exact });
  });

  afterAll(async () => {
    await model.dispose();
  });

  const ask = async (tokens: Int32Array): Promise<GenerationResult> => context.generate({ ...greedy, tokens });
  const askAlone = async (tokens: Int32Array): Promise<GenerationResult> =>
    alone.generate({ ...greedy, tokens, cachePrompt: false });

  test("answers are varied, and depend on what is far back", async () => {
    const prompt = text(1, 200);
    const { tokens, logprobs } = await alone.generate({ ...greedy, tokens: prompt, maxTokens: 60 });
    expect(new Set(tokens).size).toBeGreaterThan(50);
    for (const { logprob } of logprobs ?? []) expect(logprob).toBeGreaterThan(-20);
    // 40 tokens back: every window reaches there.
    const other = await askAlone(prompt.with(160, 299));
    expect(Array.from(other.tokens)).not.toEqual(Array.from(tokens.slice(0, 24)));
  });

  test("evaluating in pieces of any size gives the same logits", async () => {
    const tokens = text(2, 150);
    const expected = await evaluated(tokens);
    for (const size of [1, 7, 64]) {
      const sequence = await context.sequence();
      let logits: Float32Array | null = null;
      for (let start = 0; start < tokens.length; start += size) {
        logits = await sequence.evaluate(tokens.subarray(start, start + size));
      }
      expectClose(logits, expected);
      await sequence.dispose();
    }
  });

  describe("an answer with the cache is the answer without", () => {
    test("to the same prompt again", async () => {
      const prompt = text(10, 200);
      const expected = await askAlone(prompt);
      for (let round = 0; round < 3; round++) expectSame(await ask(prompt), expected);
    });

    test("in a conversation, which evaluates only what is new", async () => {
      let history = text(11, 150);
      for (let turn = 0; turn < 4; turn++) {
        const answer = await ask(history);
        expectSame(answer, await askAlone(history));
        // The last token was sampled and never evaluated.
        if (turn > 0) expect(answer.usage.cachedTokens).toBeGreaterThanOrEqual(history.length - 31);
        history = join(history, answer.tokens, text(110 + turn, 30));
      }
    });

    test("to prompts that share a part of another's beginning", async () => {
      const first = text(12, 300);
      await ask(first);
      for (const shared of [299, 290, 200, 64, 63, 3, 1]) {
        const prompt = join(first.subarray(0, shared), text(120 + shared, 20));
        expectSame(await ask(prompt), await askAlone(prompt));
      }
      expectSame(await ask(first), await askAlone(first));
    });

    test("to a prompt that is another's beginning", async () => {
      const whole = text(13, 250);
      await ask(whole);
      for (const length of [249, 100, 2]) {
        expectSame(await ask(whole.subarray(0, length)), await askAlone(whole.subarray(0, length)));
      }
    });

    test("to eight prompts at once that share a beginning, cached or being evaluated", async () => {
      const beginning = text(14, 180);
      const prompts = Array.from({ length: 8 }, (_, i) => join(beginning, text(140 + i, 5 + 7 * i)));
      const expected = [];
      for (const prompt of prompts) expected.push(await askAlone(prompt));
      for (let round = 0; round < 2; round++) {
        const together = await Promise.all(prompts.map(ask));
        for (const [i, result] of together.entries()) expectSame(result, expected[i]!);
      }
    });

    test("to a prompt that goes on where a running request is", async () => {
      const prompt = text(15, 120);
      const running = context.generate({ ...greedy, tokens: prompt, maxTokens: 40 });
      const seen: number[] = [];
      for await (const { token } of running.tokens()) {
        seen.push(token);
        if (seen.length === 10) break;
      }
      const next = join(prompt, seen, text(150, 12));
      expectSame(await ask(next), await askAlone(next));
    });

    test("after requests had to give way for want of room", async () => {
      const tight = await model.createContext({ contextSize: 512, sequences: 4, ...exact });
      const prompts = Array.from({ length: 6 }, (_, i) => join(text(16, 60), text(160 + i, 40)));
      const results = await Promise.all(prompts.map((tokens) => tight.generate({ ...greedy, maxTokens: 100, tokens })));
      for (const [i, prompt] of prompts.entries()) {
        const expected = await alone.generate({ ...greedy, maxTokens: 100, tokens: prompt, cachePrompt: false });
        expectSame(results[i]!, expected);
      }
      expect(tight.stats().preemptions + tight.stats().evictions).toBeGreaterThan(0);
      await tight.dispose();
    });

    test("after other requests were stopped in the middle of their prompts and answers", async () => {
      const kept = text(17, 150);
      const answer = await ask(kept);
      for (let round = 0; round < 6; round++) {
        const doomed = Array.from({ length: 4 }, (_, i) =>
          context.generate({ ...greedy, tokens: join(kept, text(170 + 10 * round + i, 700)), maxTokens: 200 }),
        );
        const [first] = doomed;
        for await (const event of first!.events()) {
          if (event.type === "prompt" && event.processedTokens > 0) break;
        }
        await new Promise((resolve) => setTimeout(resolve, 7 * round));
        for (const generation of doomed) generation.cancel();
        await Promise.all(doomed);
        // What was kept went through all of that.
        const next = join(kept, answer.tokens, text(250 + round, 20));
        expectSame(await ask(next), await askAlone(next));
      }
      const stopped = join(kept, text(170, 700));
      expectSame(await ask(stopped), await askAlone(stopped));
    });
  });

  test("an answer that has dropped its older half goes on as from what is left", async () => {
    const [contextSize, keepTokens] = [512, 10];
    const tight = await model.createContext({ contextSize, sequences: 2, ...exact });
    const prompt = text(31, 300);
    const options = { ...greedy, maxTokens: 300, contextShift: true, keepTokens };
    const { tokens, contextShifts } = await tight.generate({ ...options, tokens: prompt });
    expect(contextShifts).toBe(1);
    // The last token that it had was sampled and not evaluated; half of what is evaluated goes, but for what is to be kept.
    const history = join(prompt, tokens).subarray(0, contextSize + 1);
    const gone = Math.floor((contextSize - keepTokens) / 2);
    const left = join(history.subarray(0, keepTokens), history.subarray(keepTokens + gone));
    const expected = await askAlone(left);
    const after = history.length - prompt.length;
    expect(Array.from(tokens.subarray(after, after + 24))).toEqual(Array.from(expected.tokens));
    await tight.dispose();
  });

  test("a sequence beside stopped requests stays as it is, to the last bit", async () => {
    for (let delay = 1; delay <= 25; delay += 2) {
      const busy = await model.createContext({ contextSize: 2048, sequences: 8, ...exact });
      const sequences: LlamaSequence[] = [];
      for (let i = 0; i < 6; i++) {
        sequences.push(await busy.sequence());
        await sequences[i]?.evaluate(text(i, 20));
      }
      // Leaves a gap in memory and nothing in the list of free sequences: the states of two requests in one batch come to
      // lie apart, and llama.cpp moves the one between them, to have theirs side by side.
      const [gap] = sequences.splice(2, 1);
      await gap?.dispose();
      await busy.sequence();
      const before = await Promise.all(sequences.map((sequence) => sequence.save()));
      const doomed = [0, 1].map((i) => busy.generate({ ...greedy, tokens: text(50 + 2 * delay + i, 250) }));
      await new Promise((resolve) => setTimeout(resolve, delay));
      for (const generation of doomed) generation.cancel();
      await Promise.all(doomed);
      const after = await Promise.all(sequences.map((sequence) => sequence.save()));
      const changed = after.flatMap((state, i) => (Buffer.compare(state, before[i] ?? state) === 0 ? [] : [i]));
      expect(changed, `stopped after ${delay} ms`).toEqual([]);
      await busy.dispose();
    }
  });

  describe("low-level sequences", () => {
    test("a fork and its origin go their own ways", async () => {
      const [beginning, one, other] = [text(20, 100), text(21, 30), text(22, 30)];
      const sequence = await context.sequence();
      await sequence.evaluate(beginning);
      const fork = await sequence.fork();
      const ofFork = await fork.evaluate(one);
      const ofOrigin = await sequence.evaluate(other);
      expectClose(ofFork, await evaluated(join(beginning, one)));
      expectClose(ofOrigin, await evaluated(join(beginning, other)));
      await fork.dispose();
      expectClose(await sequence.evaluate(one), await evaluated(join(beginning, other, one)));
      await sequence.dispose();
    });

    test("a saved sequence comes back, beside its origin and in another context", async () => {
      const [beginning, end] = [text(23, 130), text(24, 20)];
      const expected = await evaluated(join(beginning, end));
      const sequence = await context.sequence();
      await sequence.evaluate(beginning);
      const state = await sequence.save();
      await sequence.evaluate(text(25, 40));
      const other = await model.createContext({ contextSize: 512, sequences: 1, ...exact });
      for (const place of [context, other]) {
        const restored = await place.sequence();
        await restored.evaluate(text(26, 10)); // is forgotten
        await restored.restore(state);
        expect(Array.from(restored.tokens)).toEqual(Array.from(beginning));
        expectClose(await restored.evaluate(end), expected);
        await restored.dispose();
      }
      expectClose(await sequence.evaluate(end), await evaluated(join(beginning, text(25, 40), end)));
      await other.dispose();
      await sequence.dispose();
    });

    test("a restored sequence is cut where its memory allows, and lends nobody what it lacks", async () => {
      const [beginning, end] = [text(40, 200), text(41, 12)];
      const sequence = await context.sequence();
      await sequence.evaluate(beginning);
      const state = await sequence.save();
      await sequence.restore(state);
      const shared = join(beginning.subarray(0, 150), end);
      expectSame(await ask(shared), await askAlone(shared));
      const cut = await sequence.truncate(150).then(
        () => true,
        (error: unknown) => {
          expect(error).toMatchObject({ code: "INVALID_OPTION" });
          return false;
        },
      );
      const left = cut ? beginning.subarray(0, 150) : beginning;
      expectClose(await sequence.evaluate(end), await evaluated(join(left, end)));
      await sequence.dispose();
    });

    test("truncating forgets the end, or is refused and changes nothing", async () => {
      const [beginning, end] = [text(27, 90), text(28, 10)];
      const sequence = await context.sequence();
      await sequence.evaluate(join(beginning, end));
      const refused = await sequence.truncate(90).then(
        () => false,
        (error: unknown) => {
          expect(error).toMatchObject({ code: "INVALID_OPTION" });
          return true;
        },
      );
      const left = refused ? join(beginning, end) : beginning;
      expect(sequence.length).toBe(left.length);
      expectClose(await sequence.evaluate(text(29, 5)), await evaluated(join(left, text(29, 5))));
      await sequence.truncate(0);
      expectClose(await sequence.evaluate(end), await evaluated(end));
      await sequence.dispose();
    });
  });

  describe("reuse", () => {
    /** A sliding window beside recurrent state is only continued whole, which none of these prompts do. */
    const expectReuse = ({ usage }: GenerationResult, least: number): void => {
      if (shape === "hybrid-sliding-window") expect(usage.cachedTokens).toBe(0);
      else expect(usage.cachedTokens).toBeGreaterThanOrEqual(least);
    };

    test("of a finished request that went on differently", async () => {
      const shared = text(30, 300);
      await ask(join(shared, text(31, 20)));
      const prompt = join(shared, text(32, 20));
      const result = await ask(prompt);
      expectReuse(result, 150);
      expectSame(result, await askAlone(prompt));
    });

    test("of a prompt asked again", async () => {
      const prompt = text(33, 300);
      const first = await ask(prompt);
      const again = await ask(prompt);
      expectReuse(again, 150);
      expectSame(again, first);
    });

    test("of a conversation whose last question is asked differently", async () => {
      const opening = text(34, 200);
      const answer = await ask(opening);
      const history = join(opening, answer.tokens);
      await ask(join(history, text(35, 30)));
      const changed = join(history, text(36, 30));
      const result = await ask(changed);
      expectReuse(result, history.length / 2);
      expectSame(result, await askAlone(changed));
    });

    test("of a system prompt, by all who have it", async () => {
      const system = text(37, 300);
      const prompts = Array.from({ length: 6 }, (_, i) => join(system, text(370 + i, 25)));
      const [first, ...others] = prompts;
      await ask(first!);
      for (const prompt of others) {
        const result = await ask(prompt);
        expectReuse(result, 150);
        expectSame(result, await askAlone(prompt));
      }
    });

    test("by requests at once", async () => {
      const system = text(38, 300);
      await ask(join(system, text(39, 25)));
      const prompts = Array.from({ length: 4 }, (_, i) => join(system, text(390 + i, 25)));
      const results = await Promise.all(prompts.map(ask));
      for (const [i, result] of results.entries()) {
        // What another evaluates meanwhile may be whole just now, in any memory.
        if (shape !== "hybrid-sliding-window") expectReuse(result, 150);
        expectSame(result, await askAlone(prompts[i]!));
      }
    });
  });

  /** The last token's logits, evaluated in an empty sequence. */
  async function evaluated(tokens: Int32Array): Promise<Float32Array | null> {
    const sequence: LlamaSequence = await alone.sequence();
    const logits = await sequence.evaluate(tokens);
    await sequence.dispose();
    return logits;
  }
});
