import { expect, it } from "vitest";

import { withoutOldestTurns } from "../../src/chat/drop-turns.js";
import type { PlainMessage } from "../../src/chat/messages.js";

it("goes by what templates show of a conversation, which is not the thoughts of earlier answers", () => {
  const turns = (thoughts: readonly string[]): PlainMessage[] =>
    thoughts.flatMap((thinking, index): PlainMessage[] => [
      { role: "user", content: `Question ${index} ${"x".repeat(100)}` },
      { role: "assistant", content: "y".repeat(100), ...(thinking === "" ? {} : { thinking }) },
    ]);
  const left = (thoughts: readonly string[]): number | undefined => {
    const added: PlainMessage[] = [{ role: "user", content: "Now?" }];
    return withoutOldestTurns({ head: [], history: turns(thoughts), added }, 0.55)?.history.length;
  };
  const long = "z".repeat(10_000);
  expect(left(["", "", "", ""])).toBe(4);
  expect(left([long, "", "", ""])).toBe(4);
  expect(left(["", "", "", long])).toBe(4);
});
