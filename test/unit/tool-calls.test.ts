import { describe, expect, it } from "vitest";

import { callInput } from "../../src/server/inference/events.js";
import { ToolReader } from "../../src/server/inference/tools/tool-reader.js";
import { syntaxOfTemplate } from "../../src/server/inference/tools/tool-syntax.js";

const call = '{"name": "weather", "arguments": {"city": "Paris"}}';
const weather = { name: "weather", arguments: { city: "Paris" } };

/** What a reader makes of a text that comes in pieces of this length. */
function read(template: string, text: string, length: number): { text: string; calls: object[] } {
  const { calls, ...rest } = readCut(template, text, length, { isCut: false });
  expect(calls.every(({ isWhole }) => isWhole)).toBe(true);
  return {
    text: rest.text,
    calls: calls.map((found) => ({ name: found.name, arguments: JSON.parse(found.arguments) as object })),
  };
}

function readCut(
  template: string,
  text: string,
  length: number,
  { isCut = true, isForced = false } = {},
): ReturnType<ToolReader["end"]> {
  const reader = new ToolReader(syntaxOfTemplate(template), ["weather"], isForced);
  let said = "";
  for (let at = 0; at < text.length; at += length) said += reader.push(text.slice(at, at + length));
  const end = reader.end(isCut);
  return { ...end, text: said + end.text };
}

describe.each([1, 2, 5, 1000])("an answer in pieces of %i characters", (length) => {
  it.each([
    ["Hermes", "<tool_call>", `<tool_call>\n${call}\n</tool_call>`, "", [weather]],
    [
      "Hermes, two",
      "<tool_call>",
      `Well.\n<tool_call>${call}</tool_call>\n<tool_call>${call}</tool_call>`,
      "Well.",
      [weather, weather],
    ],
    ["Mistral", "[TOOL_CALLS]", `[TOOL_CALLS] [${call}]`, "", [weather]],
    ["Llama", "", ' {"name": "weather", "parameters": {"city": "Paris"}}', "", [weather]],
    ["plain text", "", "Hello {you}", "Hello {you}", []],
    ["JSON that is no call", "", '{"a": 1}', '{"a": 1}', []],
    ["a tool that is not there", "", '{"name": "x", "arguments": {}}', '{"name": "x", "arguments": {}}', []],
    ["a broken call", "<tool_call>", '<tool_call>{"name":', '<tool_call>{"name":', []],
    ["what only begins like one", "<tool_call>", "a <tool b", "a <tool b", []],
  ])("%s", (_, template, text, said, calls) => {
    const found = read(template, text, length);
    expect({ ...found, text: found.text.trimEnd() }).toEqual({ text: said, calls });
  });
});

describe.each([1, 1000])("an answer that was cut, in pieces of %i characters", (length) => {
  const whole = { name: "weather", arguments: '{"city":"Paris"}', isWhole: true };
  const cut = (json: string): object => ({ name: "weather", arguments: json, isWhole: false });

  it.each([
    ["in a text", "", '{"name": "weather", "arguments": {"city": "Par', [cut('{"city": "Par')]],
    ["behind a backslash", "", '{"name": "weather", "arguments": {"city": "\\"', [cut('{"city": "\\"')]],
    ["behind the name", "", '{"name": "weather"', [cut("")]],
    ["behind the arguments", "", call.slice(0, -1), [whole]],
    ["in another name for them", "", '{"name": "weather", "parameters": {"a": [1, {"b', [cut('{"a": [1, {"b')]],
    ["in the second of two", "", `[${call}, {"name": "weather", "arguments": {`, [whole, cut("{")]],
    ["in the second's name", "", `[${call}, {"name": "wea`, [whole]],
    ["in Mistral's form", "[TOOL_CALLS]", `[TOOL_CALLS] [${call.slice(0, -4)}`, [cut('{"city": "Pari')]],
    ["in Hermes' form", "<tool_call>", `<tool_call>\n${call}\n</tool_call>\n<tool_call>\n{"na`, [whole]],
    ["in Hermes' closing tag", "<tool_call>", `<tool_call>\n${call}\n</tool_c`, [whole]],
  ])("%s: has what there is of its calls", (_, template, text, calls) => {
    expect(readCut(template, text, length)).toEqual({ text: "", calls, areCut: true });
  });

  it.each([
    ["in its name", "", '{"name": "weath'],
    ["in the name of no tool", "", '{"name": "rain", "arguments": {"city": "Par'],
    ["in what cannot be arguments", "", '{"name": "weather", "arguments": [1], "x": 2'],
    ["in the trigger", "<tool_call>", "<tool_"],
  ])("%s: calls nothing; it is text, but where nothing but calls was allowed", (_, template, text) => {
    expect(readCut(template, text, length)).toMatchObject({ text, calls: [] });
    expect(readCut(template, text, length, { isForced: true })).toMatchObject({ text: "", calls: [] });
  });

  it("that is no cut one is text", () => {
    const text = '{"name": "weather", "arguments": {';
    expect(readCut("", text, length, { isCut: false })).toMatchObject({ text, calls: [] });
  });
});

it.each([
  ['{"city": "Paris", "days": 12', { city: "Paris" }],
  ['{"city": "Paris", "days": 12,', { city: "Paris", days: 12 }],
  ['{"near": {"a": [1, 2]}, "far": {"b": 1', { near: { a: [1, 2] } }],
  ['{"a:,}": "b\\"}", "c', { "a:,}": 'b"}' }],
  ["{", {}],
  ["", {}],
])("of the arguments %s whole members are %j", (json, members) => {
  expect(callInput({ index: 0, id: "call_1", name: "weather", arguments: json, isWhole: false })).toEqual(members);
});
