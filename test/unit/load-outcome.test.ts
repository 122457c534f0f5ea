import { describe, expect, test } from "vitest";

import type { Taken } from "../../scripts/load/outcome.mjs";
import { countLikeness, judge, References, tally } from "../../scripts/load/outcome.mjs";
import { maxTokens } from "../../scripts/load/plan.mjs";

const own = " the sea is wide and full of salt, as everybody knows";
const other = " bread is made of flour, water and a grain of patience";
const references = new References([own, other]);

function taken(
  change: Partial<Omit<Taken, "task">> & { kind?: Taken["task"]["kind"]; leaveAfter?: number } = {},
): Taken {
  const { kind = "plain", leaveAfter = null, ...rest } = change;
  return {
    task: { id: 1, kind, prompt: 0, leaveAfter, cachePrompt: false },
    status: 200,
    expectedStatus: 200,
    hasRetryAfter: false,
    left: false,
    text: own,
    done: true,
    finish: "length",
    tokens: maxTokens,
    error: null,
    ...rest,
  };
}

const outcome = (change?: Parameters<typeof taken>[0]): string => judge(taken(change), references).outcome;

describe("an answer is finished", () => {
  test("with the library's text, its tokens and its end", () => {
    expect(judge(taken(), references)).toEqual({ outcome: "finished", likeness: "same" });
  });

  test.each([
    ["no last event", { done: false }],
    ["no reason to end", { finish: null }],
    ["another reason to end", { finish: "stop" }],
    ["fewer tokens", { tokens: maxTokens - 1 }],
    ["no usage", { tokens: null }],
  ])("and lost with %s", (_, change) => {
    expect(outcome(change)).toBe("lost");
  });
});

describe("an answer's text", () => {
  test("is crossed where it has a piece of another prompt's, wherever that is", () => {
    expect(outcome({ text: other })).toBe("crossed");
    expect(outcome({ text: own.slice(0, 20) + other.slice(20) })).toBe("crossed");
    expect(outcome({ kind: "leaves", left: true, leaveAfter: 20, text: other.slice(0, 25) })).toBe("crossed");
  });

  test("has drifted where it is the library's only up to a point, or too short, and is nobody else's", () => {
    for (const text of [`${own.slice(0, 20)}something else altogether`, own.slice(0, -1), ""]) {
      expect(judge(taken({ text }), references)).toEqual({ outcome: "finished", likeness: "drifted" });
    }
  });

  test("is compared as a beginning where the client left", () => {
    const left = { kind: "leaves" as const, left: true, leaveAfter: 20, done: false, finish: null, tokens: null };
    expect(judge(taken({ ...left, text: own.slice(0, 25) }), references)).toEqual({
      outcome: "left",
      likeness: "same",
    });
    const drifted = judge(taken({ ...left, text: `${own.slice(0, 10)} something else` }), references);
    expect(drifted).toEqual({ outcome: "left", likeness: "drifted" });
    expect(outcome({ ...left, text: own.slice(0, 19) })).toBe("lost");
  });

  test("that several prompts share tells nothing", () => {
    const both = new References([`${own} and so on and so on`, `${other} and so on and so on`, "third"]);
    const shared = taken({ text: "third and so on and so on" });
    expect(both.compare(2, shared.text, true)).toBe("drifted");
    expect(both.compare(2, other, true)).toBe("crossed");
  });
});

describe("a status", () => {
  test("of 429 refuses, but says when to come again", () => {
    expect(outcome({ status: 429, hasRetryAfter: true })).toBe("refused");
    expect(outcome({ status: 429, hasRetryAfter: false })).toBe("unexplained");
    expect(outcome({ kind: "rubbish", status: 429, expectedStatus: 400, hasRetryAfter: true })).toBe("unexplained");
  });

  test("that is not the expected one is unexplained", () => {
    expect(outcome({ status: 500 })).toBe("unexplained");
    expect(outcome({ kind: "rubbish", status: 200, expectedStatus: 400 })).toBe("unexplained");
    expect(outcome({ kind: "rubbish", status: 400, expectedStatus: 400 })).toBe("rejected");
  });

  test("that never came is a failure unless the client left", () => {
    expect(outcome({ status: 0, error: "ECONNRESET" })).toBe("failed");
    expect(judge(taken({ kind: "hasty", status: 0, left: true, text: "" }), references)).toEqual({
      outcome: "left",
      likeness: null,
    });
  });
});

test("answers are counted by what they are like", () => {
  expect(countLikeness(["same", "drifted", "crossed", "drifted", null])).toEqual({ answers: 4, different: 3 });
});

test("requests are counted by kind of client, with their statuses", () => {
  const requests = [
    { kind: "plain", outcome: "finished", status: 200, likeness: "drifted" as const },
    { kind: "plain", outcome: "refused", status: 429, likeness: null },
    { kind: "rubbish", outcome: "rejected", status: 400, likeness: null },
    { kind: "rubbish", outcome: "rejected", status: 400, likeness: null },
  ];
  expect(tally(requests)).toEqual({
    plain: { outcomes: { finished: 1, refused: 1 }, statuses: { 200: 1, 429: 1 }, drifted: 1 },
    rubbish: { outcomes: { rejected: 2 }, statuses: { 400: 2 }, drifted: 0 },
  });
});
