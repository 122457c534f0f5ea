import { describe, expect, it } from "vitest";

import { disturbanceOf, gapsOf } from "../../bench/lib/gaps.mjs";
import { makePrompt, promptPlans } from "../../bench/lib/prompts.mjs";
import { programsOf } from "../../bench/lib/programs.mjs";
import { interleave } from "../../bench/lib/rounds.mjs";
import { median, quantile, summarize } from "../../bench/lib/statistics.mjs";
import { textOfBytes, words } from "../../bench/lib/words.mjs";

describe("statistics", () => {
  it.each([
    [[3], 3],
    [[4, 1, 3], 3],
    [[4, 1, 3, 2], 2.5],
    [[10, 9], 9.5],
  ])("the median of %j is %d", (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it("leaves the values in their order", () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });

  it("takes quantiles by nearest rank", () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(quantile(values, 0.99)).toBe(99);
    expect(quantile(values, 1)).toBe(100);
    expect(quantile([5, 7], 0.99)).toBe(7);
  });

  it("refuses nothing and what is no number", () => {
    expect(() => median([])).toThrow("There are no values");
    expect(() => median([1, NaN])).toThrow("Expected finite values but received NaN");
    expect(() => quantile([1], 0)).toThrow("Expected a share");
  });

  it("summarizes each metric of the rounds", () => {
    expect(
      summarize([
        { speed: 3, wall: 1 },
        { speed: 5, wall: 9 },
        { speed: 4, wall: 2 },
      ]),
    ).toEqual({
      speed: { median: 4, least: 3, most: 5, values: [3, 5, 4] },
      wall: { median: 2, least: 1, most: 9, values: [1, 9, 2] },
    });
  });
});

describe("the order of the runs", () => {
  it("interleaves the programs, with a round before that does not count", () => {
    const order = interleave(["a", "b"], { rounds: 2, warmUp: true });
    expect(order.map(({ program, round, counts }) => `${program}${round}${counts ? "" : "!"}`)).toEqual([
      ...["a0!", "b0!", "a1", "b1", "a2", "b2"],
    ]);
    expect(interleave(["a"], { rounds: 1, warmUp: false })).toEqual([{ program: "a", round: 1, counts: true }]);
  });
});

describe("gaps", () => {
  it("are the times between tokens that overlap a window", () => {
    expect(gapsOf([0, 10, 30, 35])).toEqual([10, 20, 5]);
    expect(gapsOf([0, 10, 30, 35], { from: 12, to: 29 })).toEqual([20]);
    expect(gapsOf([5])).toEqual([]);
  });

  it("of a disturbance are compared with the median before it", () => {
    const steady = [0, 10, 20, 30, 40];
    const { longestSilenceMs, medianGapMs, longestRatio, p99GapMs } = disturbanceOf(
      [
        [...steady, 100, 110],
        [...steady, 90, 112],
      ],
      { from: 41, to: 105 },
    );
    expect({ longestSilenceMs, medianGapMs, longestRatio, p99GapMs }).toEqual({
      longestSilenceMs: 60,
      medianGapMs: 10,
      longestRatio: 6,
      p99GapMs: 60,
    });
  });

  it("count a silence that lasts beyond the end", () => {
    expect(disturbanceOf([[0, 10, 20, 30, 500]], { from: 35, to: 100 }).longestSilenceMs).toBe(470);
  });
});

describe("prompts", () => {
  /** One token a word, as the words are chosen for the models; BOS is 1. */
  const tokenizer = {
    addBos: true,
    encode: (text: string) => Int32Array.from([1, ...text.split(" ").map((word) => 100 + word.charCodeAt(0))]),
  };

  it("have exactly the tokens asked for", () => {
    expect(makePrompt({ tokens: 40, seed: 3 }, tokenizer).tokens).toHaveLength(40);
    expect(() => makePrompt({ tokens: 40, seed: 3 }, { ...tokenizer, addBos: false })).toThrow(
      "Expected a prompt of 40 tokens but made one of 41",
    );
  });

  it("share what they shall, and nothing else", () => {
    const plans = promptPlans(8, { tokens: 30, prefix: { tokens: 20, seed: 50 } });
    const texts = plans.map((plan) => makePrompt(plan, tokenizer).text.split(" "));
    const heads = new Set(texts.map((text) => text.slice(0, 19).join(" ")));
    const next = new Set(texts.map((text) => text[19]));
    expect([heads.size, next.size]).toEqual([1, 8]);
    expect(new Set(promptPlans(16, { tokens: 2 }).map((plan) => makePrompt(plan, tokenizer).text)).size).toBe(16);
  });

  it("are the same every time", () => {
    expect(words(50, 7)).toEqual(words(50, 7));
    expect(Buffer.byteLength(textOfBytes(10_000, 1))).toBe(10_000);
  });
});

describe("programs", () => {
  it("run with what they take by themselves, and node-llama-cpp with other threads too", () => {
    const ids = programsOf(["ours", "llama-server", "node-llama-cpp"], 8, { variants: true }).map(
      ({ id, threads }) => `${id}=${threads ?? "default"}`,
    );
    expect(ids).toEqual([
      "ours=default",
      "llama-server=8",
      "node-llama-cpp=default",
      "node-llama-cpp-t1=1",
      "node-llama-cpp-t4=4",
      "node-llama-cpp-t8=8",
    ]);
    expect(programsOf(["node-llama-cpp"], 8, { variants: false })).toHaveLength(1);
  });
});
