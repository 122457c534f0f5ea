import { expect, it } from "vitest";

import type { PlainMessage, ToolCall } from "../../src/chat/messages.js";
import { normalizeTools } from "../../src/chat/normalize-tools.js";
import type { ToolTraits } from "../../src/chat/template-traits.js";
import { cpuTime } from "../support/cpu-time.js";

const any: ToolTraits = { ids: "any", parallel: true };
const call = (name: string, id?: string): ToolCall => ({ name, arguments: { for: name }, ...(id ? { id } : {}) });
const user: PlainMessage = { role: "user", content: "?" };
const calls = (...toolCalls: ToolCall[]): PlainMessage => ({ role: "assistant", content: "Let me see.", toolCalls });
const result = (content: string, more: Partial<PlainMessage> = {}): PlainMessage => ({
  role: "tool",
  content,
  ...more,
});

it("leaves a complete conversation as it is", () => {
  const messages = [
    user,
    calls(call("a", "id-1"), call("b", "id-2")),
    result("A", { toolCallId: "id-1", name: "a" }),
    result("B", { toolCallId: "id-2", name: "b" }),
    { role: "assistant", content: "Done." } as const,
  ];
  expect(normalizeTools(messages, any)).toEqual(messages);
});

it("fills in ids and names", () => {
  const messages = [calls(call("a"), call("b"), call("c", "call00001")), result("B", { name: "b" }), result("A")];
  expect(normalizeTools(messages, any)).toEqual([
    calls(call("a", "call00002"), call("b", "call00003"), call("c", "call00001")),
    result("A", { toolCallId: "call00002", name: "a" }),
    result("B", { toolCallId: "call00003", name: "b" }),
  ]);
});

it("gives short ids where the template insists on them, the same for a call and its result", () => {
  const messages = [
    calls(call("a", "call_0123456789")),
    result("A", { toolCallId: "call_0123456789" }),
    calls(call("b", "abcDEF123")),
    result("B", { toolCallId: "abcDEF123" }),
  ];
  expect(normalizeTools(messages, { ids: "short", parallel: true })).toMatchObject([
    { toolCalls: [{ id: "call00001" }] },
    { toolCallId: "call00001" },
    { toolCalls: [{ id: "abcDEF123" }] },
    { toolCallId: "abcDEF123" },
  ]);
});

it("splits calls where a message may have one only", () => {
  const messages = [
    calls(call("a", "1"), call("b", "2")),
    result("B", { toolCallId: "2", name: "b" }),
    result("A", { toolCallId: "1", name: "a" }),
  ];
  expect(normalizeTools(messages, { ids: "any", parallel: false })).toEqual([
    calls(call("a", "1")),
    result("A", { toolCallId: "1", name: "a" }),
    { ...calls(call("b", "2")), content: "" },
    result("B", { toolCallId: "2", name: "b" }),
  ]);
});

it("turns everything into text where the template knows no tools", () => {
  expect(normalizeTools([user, calls(call("a")), result("A")], "none")).toEqual([
    user,
    { role: "assistant", content: 'Let me see.\n\n{"name":"a","arguments":{"for":"a"}}' },
    { role: "user", content: "A" },
  ]);
});

it("turns into text what has no counterpart", () => {
  const asText = { role: "assistant", content: 'Let me see.\n\n{"name":"a","arguments":{"for":"a"}}' };
  expect(normalizeTools([calls(call("a", "1")), user], any)).toEqual([asText, user]);
  expect(normalizeTools([user, result("A")], any)).toEqual([user, { role: "user", content: "A" }]);
  expect(normalizeTools([calls(call("a", "1")), result("A", { toolCallId: "2" })], any)).toEqual([
    calls(call("a", "1")),
    { role: "user", content: "A" },
  ]);
});

it("keeps calls at the end, which are about to be answered", () => {
  expect(normalizeTools([user, calls(call("a", "1"))], any)).toEqual([user, calls(call("a", "1"))]);
});

it("gives each result the first open call that it can be of", () => {
  const messages = [
    calls(call("a", "1"), call("a", "2"), call("b", "3"), call("b", "3")),
    result("A", { name: "a" }),
    result("stray", { toolCallId: "1" }),
    result("B", { toolCallId: "3" }),
    result("AA"),
    result("BB", { toolCallId: "3", name: "b" }),
    result("none"),
  ];
  expect(normalizeTools(messages, any).slice(1)).toMatchObject([
    { content: "A", toolCallId: "1", name: "a" },
    { content: "AA", toolCallId: "2", name: "a" },
    { content: "B", toolCallId: "3", name: "b" },
    { content: "BB", toolCallId: "3", name: "b" },
    { role: "user", content: "stray" },
    { role: "user", content: "none" },
  ]);
});

it("takes no longer for each of many than for each of few", () => {
  const ids = Array.from({ length: 40_000 }, (_, index) => `id-${index}`);
  const results = ids.map((id) => result(id, { toolCallId: id })).reverse();
  const messages = [calls(...ids.map((id) => call("a", id))), ...results];
  let normalized: PlainMessage[] = [];
  const normalize = (): void => {
    normalized = normalizeTools(messages, any);
  };
  expect(cpuTime(normalize)).toBeLessThan(2000);
  const [first, ...others] = normalized;
  expect(first?.toolCalls).toHaveLength(ids.length);
  expect(others.map(({ content }) => content)).toEqual(ids);
});

it("shows a thought once, before the first of the calls that follow it, and in words beside calls in words", () => {
  const thought = { ...calls(call("a", "id-1"), call("b", "id-2")), thinking: "Hm." };
  const results = [result("A", { toolCallId: "id-1" }), result("B", { toolCallId: "id-2" })];
  const single = normalizeTools([user, thought, ...results], { ids: "any", parallel: false });
  expect(single.flatMap(({ thinking }) => thinking ?? [])).toEqual(["Hm."]);
  expect(single[1]).toMatchObject({ thinking: "Hm.", toolCalls: [{ name: "a" }] });
  expect(normalizeTools([user, thought, ...results], "none")[1]).toMatchObject({ thinking: "Hm." });
});
