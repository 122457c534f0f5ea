import { describe, expect, it } from "vitest";

import { ThinkingReader } from "../../src/chat/thinking/thinking-reader.js";
import { thinkingMarksOf } from "../../src/chat/thinking/thinking-syntax.js";
import { ToolReader } from "../../src/chat/tools/tool-reader.js";
import { syntaxOfTemplate } from "../../src/chat/tools/tool-syntax.js";
import type { AnswerParser, AnswerPart } from "../../src/generation/answer-parser.js";
import { cpuTime } from "../support/cpu-time.js";

const syntax = { open: "<think>", close: "</think>", isSpecial: false };

interface Read {
  thinking: string;
  text: string;
  /** Where each piece of the text is in all that was pushed. */
  at: [number, string][];
  calls: string[];
  thoughtLength: number;
}

function read(pieces: readonly string[], { opened = false, inner = undefined as AnswerParser | undefined } = {}): Read {
  const reader = new ThinkingReader(syntax, inner);
  if (opened) reader.opened();
  const parts: AnswerPart[] = pieces.flatMap((piece) => reader.push(piece));
  parts.push(...reader.end(false).parts);
  const texts = parts.filter((part) => part.type === "text");
  return {
    thinking: parts.map((part) => (part.type === "thinking" ? part.text : "")).join(""),
    text: texts.map(({ text }) => text).join(""),
    at: texts.map(({ at, text }) => [at, text]),
    calls: parts.flatMap((part) => (part.type === "call" ? [part.name] : [])),
    thoughtLength: reader.thoughtLength,
  };
}

/** The same result, however the text is cut into pieces. */
function readInAnyWay(text: string, options: () => Parameters<typeof read>[1] = () => ({})): Read {
  const whole = read([text], options());
  const ways = [
    Array.from(text),
    ...Array.from({ length: text.length - 1 }, (_, at) => [text.slice(0, at + 1), text.slice(at + 1)]),
  ];
  for (const pieces of ways) {
    const { at, ...rest } = read(pieces, options());
    const { at: _, ...wanted } = whole;
    expect(rest).toEqual(wanted);
    for (const [start, said] of at) expect(text.slice(start, start + said.length)).toBe(said);
  }
  return whole;
}

describe("the reader of thoughts", () => {
  it.each([
    ["<think>\nWell.\n</think>\n\nYes.", "Well.", "Yes."],
    [
      "\n <think>Well, \n\n two </thin lines.</think>Yes, <think> is a tag.",
      "Well, \n\n two </thin lines.",
      "Yes, <think> is a tag.",
    ],
    ["<think>\n\n</think>\n\nYes.", "", "Yes."],
    ["Yes.", "", "Yes."],
    ["  Yes.", "", "  Yes."],
    ["<thin ice", "", "<thin ice"],
    ["<thi", "", "<thi"],
    ["<think>\nWell. ", "Well.", ""],
    ["<think>Well</th", "Well</th", ""],
    ["<think>Well.</think>\n ", "Well.", ""],
    ["I <think>so</think>.", "", "I <think>so</think>."],
  ])("takes %j apart", (text, thinking, said) => {
    expect(readInAnyWay(text)).toMatchObject({ thinking, text: said });
  });

  it.each([
    ["\nWell.\n</think>\n\nYes.", "Well.", "Yes."],
    ["Well.", "Well.", ""],
    ["</think>Yes.", "", "Yes."],
  ])("begins within a thought where the prompt does: %j", (text, thinking, said) => {
    expect(readInAnyWay(text, () => ({ opened: true }))).toMatchObject({ thinking, text: said });
  });

  it("takes endless blanks as they come", () => {
    for (const inner of [undefined, new ToolReader(syntaxOfTemplate("<tool_call>"), ["look"])]) {
      const reader = new ThinkingReader(syntax, inner);
      reader.opened();
      const used = cpuTime(() => {
        for (let count = 0; count < 100_000; count++) reader.push("\n");
        reader.push("</think>");
        for (let count = 0; count < 100_000; count++) reader.push("x\n\n");
        for (let count = 0; count < 100_000; count++) reader.push("\n");
      });
      expect(used).toBeLessThan(2000);
    }
  });

  it("tells how much of the text is thought, with its marks", () => {
    expect(read(["<think>a</think>", "b"]).thoughtLength).toBe("<think>a</think>".length);
    expect(read(["Yes"]).thoughtLength).toBe(0);
  });

  it("hands the answer to the reader of tools, and places its text in the whole", () => {
    const tools = (): ToolReader => new ToolReader(syntaxOfTemplate("<tool_call>"), ["look"]);
    const call = '<tool_call>\n{"name": "look", "arguments": {"at": "<think>"}}\n</tool_call>';
    const found = readInAnyWay(`<think>Call ${call}?</think>\n\nLet me. ${call}`, () => ({ inner: tools() }));
    expect(found).toMatchObject({ thinking: `Call ${call}?`, text: "Let me.", calls: ["look"] });
  });
});

describe("the marks of thoughts", () => {
  it.each([
    ["{{ content.split('</think>')[-1] }}", "<think>"],
    ["[THINK]{{ thinking }}[/THINK]", "[THINK]"],
    ["{{ '<seed:think>' + reasoning + '</seed:think>' }}", "<seed:think>"],
    ["[INST] {{ content }} [/INST]", undefined],
  ])("of %j", (source, open) => {
    expect(thinkingMarksOf(source)?.open).toBe(open);
  });
});
