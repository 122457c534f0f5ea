import { expect, test } from "vitest";

import { chatBody, toKeepMs } from "../../src/server/ollama/requests.js";
import { cpuTime } from "../support/cpu-time.js";

const read = (keep_alive: unknown): number | undefined =>
  toKeepMs(chatBody.parse({ model: "m", messages: [], keep_alive }).keep_alive);

test("keep_alive is read as Go reads durations, or as seconds", () => {
  expect(["5m", "1h30m", "1.5s", "+.5s", "1.s", "250ms", "10us", "10µs", "1ns", "3", 2.5].map(read)).toEqual([
    300_000, 5_400_000, 1500, 500, 1000, 250, 1, 1, 1, 3000, 2500,
  ]);
  expect(["0", 0, "0s"].map(read)).toEqual([-1, -1, -1]); // at once
  expect([-1, "-1m", "-1", "-10us"].map(read)).toEqual([0, 0, 0, 0]); // never
  expect([undefined, null].map(read)).toEqual([undefined, undefined]);
});

test("other durations are refused with what is expected, and never taken for 0", () => {
  for (const wrong of ["abc", "5d", "1.5", "", "5 m", "m", ".s", "1h-5m"]) {
    expect(() => read(wrong), wrong).toThrow("Expected a duration in h, m, s");
  }
  expect(() => read(true)).toThrow();
});

test("one of many characters is refused at once, whatever it consists of", () => {
  expect(read("1s".repeat(32))).toBe(32_000);
  expect(() => read("1s".repeat(33))).toThrow("of at most 64 characters");
  for (const long of [`${"11s".repeat(26)}x`, `${"1".repeat(50_000)}x`]) {
    const refuse = (): void => expect(() => read(long)).toThrow("Expected a duration in h, m, s");
    expect(cpuTime(refuse)).toBeLessThan(500);
  }
});
