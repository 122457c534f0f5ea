import { describe, expect, it } from "vitest";

import type { PlainMessage } from "../../src/chat/messages.js";
import { normalizeMessages } from "../../src/chat/normalize-messages.js";
import { cpuTime } from "../support/cpu-time.js";

type Traits = Parameters<typeof normalizeMessages>[1];
const permissive: Traits = {
  system: "anywhere",
  alternates: false,
  userFirst: false,
  needsUser: false,
  answerSpace: "none",
  tools: { ids: "any", parallel: true },
};
/** Mistral-7B-Instruct-v0.2. */
const strict: Traits = {
  system: "none",
  alternates: true,
  userFirst: true,
  needsUser: true,
  answerSpace: "none",
  tools: "none",
};
const firstOnly: Traits = { ...permissive, system: "first" };
const needsUser: Traits = { ...permissive, needsUser: true };

/** "s:text" is a system message, "u:" a user's, "a:" the assistant's, "t:" a tool's. */
const roles = { s: "system", u: "user", a: "assistant", t: "tool" } as const;
const parse = (short: string): PlainMessage => ({
  role: roles[short[0] as keyof typeof roles],
  content: short.slice(2),
});
const format = ({ role, content }: PlainMessage): string => `${role[0]!}:${content}`;

describe("normalizeMessages", () => {
  it.each<[string, Traits, string[], string[]]>([
    ["nothing to do", permissive, ["s:S", "u:1", "a:2", "s:T", "u:3"], ["s:S", "u:1", "a:2", "s:T", "u:3"]],
    ["an ordinary conversation", strict, ["u:1", "a:2", "u:3"], ["u:1", "a:2", "u:3"]],
    [
      "system text goes before the first user message",
      strict,
      ["s:S", "u:1", "a:2", "u:3"],
      ["u:S\n\n1", "a:2", "u:3"],
    ],
    ["several system messages", strict, ["s:S", "s:T", "u:1"], ["u:S\n\nT\n\n1"]],
    ["empty system text leaves no blank line", strict, ["s:", "u:1"], ["u:1"]],
    ["a later system message", strict, ["u:1", "a:2", "s:S", "u:3"], ["u:1", "a:2", "u:S\n\n3"]],
    ["a system message behind the user's", strict, ["u:1", "s:S", "a:2"], ["u:S\n\n1", "a:2"]],
    ["system text alone", strict, ["s:S"], ["u:S\n\n"]],
    ["system text last", strict, ["u:1", "a:2", "s:S"], ["u:1", "a:2", "u:S\n\n"]],
    ["system text before an assistant who speaks first", strict, ["s:S", "a:1", "u:2"], ["u:S\n\n", "a:1", "u:2"]],
    ["an assistant who speaks first", strict, ["a:1", "u:2"], ["u:", "a:1", "u:2"]],
    ["an assistant alone", strict, ["a:1"], ["u:", "a:1"]],
    ["users in a row", strict, ["u:1", "u:2", "u:3", "a:4"], ["u:1\n\n2\n\n3", "a:4"]],
    ["assistants in a row", strict, ["u:1", "a:2", "a:3", "u:4"], ["u:1", "a:2\n\n3", "u:4"]],
    ["an answer to go on with", strict, ["u:1", "a:2"], ["u:1", "a:2"]],
    ["results of tools", strict, ["u:1", "a:2", "t:R", "t:Q", "a:3"], ["u:1", "a:2", "u:R\n\nQ", "a:3"]],
    ["one system message first", firstOnly, ["s:S", "s:T", "u:1"], ["s:S\n\nT", "u:1"]],
    [
      "a later one where only the first may be",
      firstOnly,
      ["s:S", "u:1", "a:2", "s:T", "u:3"],
      ["s:S", "u:1", "a:2", "u:T\n\n3"],
    ],
    ["system text alone where it is known", firstOnly, ["s:S"], ["s:S"]],
    ["system first, then an assistant", { ...firstOnly, userFirst: true }, ["s:S", "a:1"], ["s:S", "u:", "a:1"]],
    ["system text alone where a user is needed", needsUser, ["s:S", "s:T"], ["u:S\n\nT"]],
    ["an assistant alone where a user is needed", needsUser, ["s:S", "a:1"], ["s:S", "u:", "a:1"]],
    ["a user anywhere is enough", needsUser, ["a:1", "u:2"], ["a:1", "u:2"]],
    ["a system message between the user's", strict, ["u:1", "s:S", "u:2"], ["u:S\n\n1\n\n2"]],
    ["a system message last, behind the user's", strict, ["u:1", "s:S"], ["u:S\n\n1"]],
    ["system text and an empty message", strict, ["s:S", "u:"], ["u:S\n\n"]],
    ["empty messages in a row", strict, ["u:", "u:1", "u:"], ["u:\n\n1\n\n"]],
    ["a space of the format", { ...strict, answerSpace: "missing" }, ["u:1", "a:2", "a:"], ["u:1", "a: 2\n\n"]],
    ["no space before nothing", { ...strict, answerSpace: "missing" }, ["u:1", "a:"], ["u:1", "a:"]],
    ["a space that the template writes", { ...strict, answerSpace: "template" }, ["u:1", "a:2"], ["u:1", "a:2"]],
    ["results without calls", permissive, ["t:Q", "u:1", "a:2", "t:R"], ["u:Q", "u:1", "a:2", "u:R"]],
  ])("%s", (_name, traits, messages, expected) => {
    const given = messages.map(parse);
    const before = structuredClone(given);
    expect(normalizeMessages(given, traits).map(format)).toEqual(expected);
    expect(given).toEqual(before);
  });

  it("joins many calls of one message in no more time for each than few", () => {
    const toolCalls = Array.from({ length: 100_000 }, (_, index) => ({ id: `${index}`, name: "f", arguments: {} }));
    const single: Traits = { ...strict, tools: { ids: "any", parallel: false } };
    let messages: PlainMessage[] = [];
    const normalize = (): void => {
      messages = normalizeMessages([parse("u:1"), { ...parse("a:2"), toolCalls }], single);
    };
    expect(cpuTime(normalize)).toBeLessThan(2500);
    expect(messages.map((message) => message.toolCalls)).toEqual([undefined, toolCalls]);
  });
});
