import { describe, expect, it } from "vitest";

import { continuationStart } from "../../src/chat/continue-prompt.js";

const start = (prompt: string, answer: string, next: string): string | undefined => {
  const previous = { text: prompt, tokens: new Int32Array(), answer: { text: answer, tokens: new Int32Array() } };
  const from = continuationStart(previous, next);
  return from === undefined ? undefined : next.slice(from);
};

describe("continuationStart", () => {
  it.each([
    ["an answer as it was", "[/INST]", " Hi.", "[/INST] Hi.</s>[INST]", "</s>[INST]"],
    ["a template that trims", "<a>\n", " Hi.\n", "<a>\nHi.<e>", "<e>"],
    ["a template that sets a space", "[/INST]", "Hi.", "[/INST] Hi.</s>", "</s>"],
    ["two spaces for one", "[/INST]", " Hi.", "[/INST]  Hi.</s>", "</s>"],
    ["white space at the end that stays", "<a>", "Hi.\n", "<a>Hi.\n<e>", "<e>"],
    ["white space behind that is the template's", "<a>", "Hi.", "<a>Hi.\n<e>", "\n<e>"],
    ["an empty answer", "<a>", "", "<a><e>", "<e>"],
  ])("%s", (_name, prompt, answer, next, expected) => {
    expect(start(prompt, answer, next)).toBe(expected);
  });

  it.each([
    ["another prompt", "<a>x", "Hi", "<b>xHi<e>"],
    ["another answer", "<a>", "Hi.", "<a>Ho.<e>"],
    ["an answer cut by the template", "<a>", "<think>x</think>Hi", "<a>Hi<e>"],
  ])("not for %s", (_name, prompt, answer, next) => {
    expect(start(prompt, answer, next)).toBeUndefined();
  });
});
