import { describe, expect, test } from "vitest";

import { EventReader } from "../../scripts/load/event-reader.mjs";
import { median, metricOf, shares, slopePerMinute } from "../../scripts/load/figures.mjs";
import { kindOf, largePrompts, prompts, roundTasks, stormTask } from "../../scripts/load/plan.mjs";

test("the median is the middle value, or between the two", () => {
  expect(median([9, 1, 3])).toBe(3);
  expect(median([4, 1, 9, 2])).toBe(3);
  expect(median([])).toBeNaN();
});

test("a share is of text in a second, so that who leaves late has more to show for it", () => {
  const round = {
    alone: { seconds: 8, characters: 900 },
    library: { seconds: 9, characters: 900 },
    server: { seconds: 10, characters: 950 },
  };
  expect(shares([round, round], "library", "library")).toEqual([1, 1]);
  expect(shares([round], "library", "server")[0]).toBeCloseTo(0.95, 9);
  expect(shares([round], "alone", "library")[0]).toBeCloseTo(8 / 9, 9);
});

test("the slope of a value is what it grows by in a minute, whatever single peaks do", () => {
  const samples = [0, 1, 2, 3, 4, 5, 6].map((at) => ({ ms: at * 10_000, value: 100 + at * 2 }));
  expect(slopePerMinute(samples)).toBeCloseTo(12, 9);
  samples[3]!.value = 500;
  expect(slopePerMinute(samples)).toBeCloseTo(12, 0);
  expect(slopePerMinute(samples.slice(0, 1))).toBeNaN();
});

test("a metric is summed over its labels, and no number where there is none", () => {
  const text =
    '# HELP x_total x\nx_total{route="a",status="200"} 3\nx_total{route="b",status="400"} 4\nx_total_more 9\ny 7\n';
  expect(metricOf(text, "x_total")).toBe(7);
  expect(metricOf(text, "x_total", { status: "400" })).toBe(4);
  expect(metricOf(text, "y")).toBe(7);
  expect(metricOf(text, "z")).toBeNaN();
  expect(metricOf(text, "x_total", { status: "500" })).toBeNaN();
});

describe("events", () => {
  const bytes = Buffer.from('data: {"text":"é 日本 😀"}\n\n: keep-alive\n\ndata: {"text":"b"}\n\ndata: [DONE]\n\n');

  test.each([1, 2, 3, 7, 1000])("are whole however they are cut (pieces of %i bytes)", (size) => {
    const reader = new EventReader();
    const events = [];
    for (let at = 0; at < bytes.length; at += size) events.push(...reader.push(bytes.subarray(at, at + size)));
    reader.end();
    expect([events, reader.done]).toEqual([[{ text: "é 日本 😀" }, { text: "b" }], true]);
  });

  test("that break off, or go on behind their end, are refused", () => {
    const cut = new EventReader();
    cut.push(bytes.subarray(0, 14));
    expect(() => {
      cut.end();
    }).toThrow("Expected whole events");
    expect(cut.done).toBe(false);
    const long = new EventReader();
    expect(() => void long.push(Buffer.concat([bytes, bytes]))).toThrow("Expected an event");
    expect(() => void new EventReader().push(Buffer.from("nonsense\n\n"))).toThrow("Expected an event");
    expect(() => void new EventReader().push(Buffer.from([0xff, 0x0a]))).toThrow();
  });
});

describe("the plan", () => {
  test.each([prompts.length, largePrompts])(
    "has each of %i prompts in a round once, a third of them left, and each read to its end in another round",
    (count) => {
      const rounds = [0, 1, 2].map((round) => roundTasks(round, count));
      const numbers = [...prompts.keys()].slice(0, count);
      for (const tasks of rounds) {
        expect(tasks.map(({ prompt }) => prompt)).toEqual(numbers);
        expect(tasks.filter(({ leaveAfter }) => leaveAfter !== null).length / tasks.length).toBeCloseTo(1 / 3, 1);
      }
      for (const prompt of numbers) {
        expect(rounds.filter((tasks) => tasks[prompt]!.leaveAfter === null)).toHaveLength(2);
      }
    },
  );

  test("has clients of every kind, a third of which leave", () => {
    const kinds = Array.from({ length: 64 }, (_, client) => kindOf(client));
    const count = (...names: string[]): number => kinds.filter((kind) => names.includes(kind)).length;
    expect(count("leaves", "hasty") / 64).toBeCloseTo(1 / 3, 1);
    expect(new Set(kinds)).toEqual(new Set(["plain", "leaves", "hasty", "slow", "rubbish"]));
    expect(count("rubbish")).toBeGreaterThanOrEqual(5);
  });

  test("gives each request of the storm a number of its own and all prompts in turn", () => {
    const tasks = Array.from({ length: 64 * 50 }, (_, index) => stormTask(index % 64, Math.floor(index / 64)));
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(tasks.length);
    expect(new Set(tasks.map(({ prompt }) => prompt))).toEqual(new Set(prompts.keys()));
  });
});
