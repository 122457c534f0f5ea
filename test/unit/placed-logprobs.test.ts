import { describe, expect, test } from "vitest";

import type { TokenLogprob } from "../../src/server/inference/events.js";
import { LogprobPlacer } from "../../src/server/inference/placed-logprobs.js";

const control = 99;

function token(content: string | number[], id = 1): TokenLogprob {
  const bytes = typeof content === "string" ? Buffer.from(content) : Uint8Array.from(content);
  return { token: id, text: Buffer.from(bytes).toString(), bytes: Uint8Array.from(bytes), logprob: -1, top: [] };
}

/** What comes with each piece of text, as texts and offsets. */
function place(pieces: [tokens: TokenLogprob[], text: string][]): [text: string, offset: number][][] {
  const placer = new LogprobPlacer((id) => id !== control);
  return pieces.map(([tokens, text]) => {
    placer.push(tokens);
    return placer.take(text).map((placed) => [placed.text, placed.offset]);
  });
}

describe("log-probabilities come with the text of their tokens", () => {
  test("at once where nothing is held back", () => {
    expect(
      place([
        [[token("a"), token(" b")], "a b"],
        [[token("c")], "c"],
      ]),
    ).toEqual([
      [
        ["a", 0],
        [" b", 1],
      ],
      [["c", 3]],
    ]);
  });

  test("later where the text is, and never where it is cut", () => {
    expect(
      place([
        [[token("a"), token("\n")], "a"],
        [[token("b")], "\nb"],
        [[token("\n"), token("\n")], ""],
      ]),
    ).toEqual([
      [["a", 0]],
      [
        ["\n", 1],
        ["b", 2],
      ],
      [],
    ]);
  });

  test("whole where the text has but the beginning of the token", () => {
    expect(
      place([
        [[token("end\n")], "end"],
        [[token("\n")], ""],
      ]),
    ).toEqual([[["end\n", 0]], []]);
  });

  test("together for the tokens of one character, which begin where it does", () => {
    const pieces: [TokenLogprob[], string][] = [
      [[token("a"), token([0xf0, 0x9f])], "a"],
      [[token([0x98, 0x80])], "\u{1f600}"],
      [[token("b")], "b"],
    ];
    expect(place(pieces).map((placed) => placed.map(([, offset]) => offset))).toEqual([[0], [1, 1], [3]]);
  });

  test("of characters that are never completed", () => {
    expect(
      place([
        [[token("a")], "a"],
        [[token([0xe2, 0x82])], ""],
        [[], "\ufffd"],
      ]),
    ).toEqual([[["a", 0]], [], [["\ufffd", 1]]]);
  });

  test("of no control tokens that the text goes without", () => {
    expect(place([[[token("a"), token("<|x|>", control), token("b")], "ab"]])).toEqual([
      [
        ["a", 0],
        ["b", 1],
      ],
    ]);
  });

  test.each([
    [
      "in a token",
      [token(" a"), token("b")],
      [
        [" a", 0],
        ["b", 1],
      ],
    ],
    [
      "as a token",
      [token(" "), token("a"), token("b")],
      [
        ["a", 0],
        ["b", 1],
      ],
    ],
  ])("without the space at the beginning that is the prompt's: %s", (_, tokens, placed) => {
    expect(place([[tokens, "ab"]])).toEqual([placed]);
  });
});
