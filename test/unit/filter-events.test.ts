import { describe, expect, test } from "vitest";

import type { OutputFilter } from "../../src/server/inference/content-filter.js";
import type { InferenceEvent } from "../../src/server/inference/events.js";
import { EventFilter } from "../../src/server/inference/filter-events.js";

const text = (value: string): InferenceEvent => ({ type: "text", choice: 0, text: value });
const place = { choice: 0, index: 0 };
const call: InferenceEvent[] = [
  { type: "call", ...place, id: "1", name: "f" },
  { type: "arguments", ...place, text: '{"city":"To' },
  { type: "arguments", ...place, text: 'kyo"}' },
  { type: "callEnd", ...place, isWhole: true },
];
const end = { type: "end", choice: 0, finish: "tool_calls" } as InferenceEvent;

/** Holds everything back until the last piece. */
const patient = (): OutputFilter => {
  let held = "";
  return (piece, last) => {
    held += piece;
    return last ? held : "";
  };
};

async function pass(make: () => OutputFilter, events: InferenceEvent[]): Promise<[InferenceEvent[], number[]]> {
  const stopped: number[] = [];
  return [await new EventFilter(make, (choice) => stopped.push(choice)).apply(events), stopped];
}

describe("a filter of streamed output", () => {
  test("hands on what it held back of a text before the call that follows, which is a text of its own", async () => {
    const [passed, stopped] = await pass(patient, [text("Let me "), text("look."), ...call, end]);
    expect(passed).toEqual([text("Let me look."), ...call, end]);
    expect(stopped).toEqual([]);
  });

  test.each([
    ["blocks", () => (piece: string) => (piece.includes("Tokyo") ? null : piece)],
    ["would change", () => (piece: string) => piece.replace("Tokyo", "T.")],
  ])("ends the answer where it %s a call's arguments, and lets nothing after it through", async (_, make) => {
    const [passed, stopped] = await pass(make, [text("Well."), ...call, text("more"), end]);
    expect(passed).toEqual([text("Well."), { ...end, finish: "content_filter" }]);
    expect(stopped).toEqual([0]);
  });

  test("that blocks the last piece ends the answer with nothing of it", async () => {
    const [passed] = await pass(() => (_, last) => (last ? null : ""), [text("secret"), end]);
    expect(passed).toEqual([{ ...end, finish: "content_filter" }]);
  });
});
