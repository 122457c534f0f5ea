import { describe, expect, it } from "vitest";

import { callInput } from "../../src/server/inference/events.js";
import type { AnswerPart } from "../../src/generation/answer-parser.js";
import { ToolReader } from "../../src/chat/tools/tool-reader.js";
import { syntaxOfTemplate } from "../../src/chat/tools/tool-syntax.js";

const call = '{"name": "weather", "arguments": {"city": "Paris"}}';
/** What templates have where a call's name is before its arguments. */
const named = "[TOOL_CALLS][ARGS]";
const weather = { name: "weather", arguments: { city: "Paris" } };

interface Found {
  name: string;
  arguments: string;
  isWhole: boolean;
}

interface Read {
  text: string;
  calls: Found[];
  isCut: boolean;
}

/** What a reader makes of a text that comes in pieces of this length. */
function readText(
  template: string,
  text: string,
  length: number,
  { isCut = false, isForced = false, names = ["weather"] } = {},
): Read {
  const reader = new ToolReader(syntaxOfTemplate(template), names, { isForced });
  const parts: AnswerPart[] = [];
  for (let at = 0; at < text.length; at += length) parts.push(...reader.push(text.slice(at, at + length)));
  const end = reader.end(isCut);
  return { ...collect([...parts, ...end.parts], text), isCut: end.isCut };
}

/** Puts the parts of a text together, each of which has to come where it may. */
function collect(parts: readonly AnswerPart[], whole: string): Omit<Read, "isCut"> {
  let text = "";
  const calls: Found[] = [];
  let open: Found | undefined;
  for (const part of parts) {
    if (part.type === "text") {
      expect(open).toBeUndefined();
      expect(whole.slice(part.at, part.at + part.text.length)).toBe(part.text);
      text += part.text;
    } else if (part.type === "call") {
      expect(open).toBeUndefined();
      open = { name: part.name, arguments: "", isWhole: false };
    } else if (part.type === "arguments") open!.arguments += part.text;
    else if (part.type === "callEnd") {
      calls.push({ ...open!, isWhole: part.isWhole });
      open = undefined;
    }
  }
  expect(open).toBeUndefined();
  return { text, calls };
}

/** Of an answer that came to its end, whose calls are whole. */
function read(template: string, text: string, length: number): { text: string; calls: object[] } {
  const { calls, ...rest } = readText(template, text, length);
  expect(calls.every(({ isWhole }) => isWhole)).toBe(true);
  expect(rest.isCut).toBe(false);
  return {
    text: rest.text,
    calls: calls.map((found) => ({ name: found.name, arguments: JSON.parse(found.arguments) as object })),
  };
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
    ["blanks at the end", "<tool_call>", "a \n", "a \n", []],
    ["Hermes, with words behind it", "<tool_call>", `<tool_call>${call}</tool_call>\nOr so.`, "\nOr so.", [weather]],
    ["Hermes, without its last brace", "<tool_call>", `<tool_call>${call.slice(0, -1)}\n</tool_call>`, "", [weather]],
    ["Hermes, never closed", "<tool_call>", `<tool_call>${call}<tool_call>${call}`, "", [weather, weather]],
    [
      "Hermes, the mark of its end within the arguments",
      "<tool_call>",
      '<tool_call>{"name": "weather", "arguments": {"a": "</tool_call>"}}</tool_call>',
      "",
      [{ name: "weather", arguments: { a: "</tool_call>" } }],
    ],
    ["a tag before the one that opens", "<tool_call>", `<tool_<tool_call>${call}</tool_call>`, "<tool_", [weather]],
    ["a tag behind one that opens nothing", "<tool_call>", `<tool_call> <tool_call>${call}`, "<tool_call> ", [weather]],
    [
      "a known one and another",
      "",
      `[${call}, {"name": "x", "arguments": {}}]`,
      ' {"name": "x", "arguments": {}}]',
      [weather],
    ],
    ["Mistral, two", "[TOOL_CALLS]", `[TOOL_CALLS][${call}, ${call}]`, "", [weather, weather]],
    ["Mistral, the name first", named, '[TOOL_CALLS]weather[ARGS]{"city": "Paris"}', "", [weather]],
    [
      "Mistral, the name first, two",
      named,
      'Well.[TOOL_CALLS]weather[ARGS]{"city": "Paris"}[TOOL_CALLS]weather[ARGS] {"city": "Paris"}',
      "Well.",
      [weather, weather],
    ],
    [
      "Mistral, the name and an identifier first",
      `${named}[CALL_ID]`,
      '[TOOL_CALLS]weather[CALL_ID]a1B2c3D4e[ARGS]{"city": "Paris"}',
      "",
      [weather],
    ],
    ["Mistral, a list though its template has the name first", named, `[TOOL_CALLS] [${call}]`, "", [weather]],
    ["Mistral, the name of no tool", named, "[TOOL_CALLS]rain[ARGS]{}", "[TOOL_CALLS]rain[ARGS]{}", []],
    ["Mistral, no name", named, `[TOOL_CALLS]${"x".repeat(300)}{}`, `[TOOL_CALLS]${"x".repeat(300)}{}`, []],
    ["Mistral, with words before it", "[TOOL_CALLS]", `Well.[TOOL_CALLS] [${call}]`, "Well.", [weather]],
    ["Llama, two in a row", "", `${call}\n${call}`, "", [weather, weather]],
    ["Llama, with words behind it", "", `${call} Or so.`, "Or so.", [weather]],
    ["the name behind the arguments", "", '{"arguments": {"city": "Paris"}, "name": "weather"}', "", [weather]],
    [
      "other members",
      "",
      '{"type": "a", "x": {"name": 1}, "name": "weather", "arguments": {"city": "Paris"}, "y": 1}',
      "",
      [weather],
    ],
    [
      "a line break within a string",
      "",
      '{"name": "weather", "arguments": {"a": "b\nc"}}',
      "",
      [{ name: "weather", arguments: { a: "b\nc" } }],
    ],
    [
      "strings with braces and quotes",
      "",
      String.raw`{"name": "weather", "arguments": {"a": "\"}{\\"}}`,
      "",
      [{ name: "weather", arguments: { a: '"}{\\' } }],
    ],
    [
      "a character of two units",
      "",
      '{"name": "weather", "arguments": {"a": "\u{1f600}"}}',
      "",
      [{ name: "weather", arguments: { a: "\u{1f600}" } }],
    ],
    ["a name that is no text", "", '{"name": {"a": 1}, "arguments": {}}', '{"name": {"a": 1}, "arguments": {}}', []],
    [
      "arguments that are no object",
      "",
      '{"name": "weather", "arguments": "a"}',
      '{"name": "weather", "arguments": "a"}',
      [],
    ],
    ["no arguments", "", '{"name": "weather"}', '{"name": "weather"}', []],
    ["an empty list", "[TOOL_CALLS]", "[TOOL_CALLS] []", "[TOOL_CALLS] []", []],
  ])("%s", (_, template, text, said, calls) => {
    const found = read(template, text, length);
    expect(found).toEqual({ text: said, calls });
  });

  it("tells a call as soon as its arguments begin, and these as they come, without blanks", () => {
    const reader = new ToolReader(syntaxOfTemplate("<tool_call>"), ["weather"]);
    const text = `<tool_call>\n${call}\n</tool_call>`;
    let [seen, told] = ["", ""];
    for (let at = 0; at < text.length; at += length) {
      seen += text.slice(at, at + length);
      for (const part of reader.push(text.slice(at, at + length))) if (part.type === "arguments") told += part.text;
      const begun = seen.split('"arguments": ')[1]?.replaceAll(" ", "").slice(0, '{"city":"Paris"}'.length) ?? "";
      expect(told).toBe(begun);
    }
    expect(told).toBe('{"city":"Paris"}');
  });
});

describe.each([1, 1000])("an answer that was cut, in pieces of %i characters", (length) => {
  const whole = { name: "weather", arguments: '{"city":"Paris"}', isWhole: true };
  const cut = (json: string): object => ({ name: "weather", arguments: json, isWhole: false });

  it.each([
    ["in a text", "", '{"name": "weather", "arguments": {"city": "Par', [cut('{"city":"Par')]],
    ["behind a backslash", "", '{"name": "weather", "arguments": {"city": "\\"', [cut('{"city":"\\"')]],
    ["behind the name", "", '{"name": "weather"', [cut("")]],
    ["behind the arguments", "", call.slice(0, -1), [whole]],
    ["in another name for them", "", '{"name": "weather", "parameters": {"a": [1, {"b', [cut('{"a":[1,{"b')]],
    ["in the second of two", "", `[${call}, {"name": "weather", "arguments": {`, [whole, cut("{")]],
    ["in the second's name", "", `[${call}, {"name": "wea`, [whole]],
    ["in Mistral's form", "[TOOL_CALLS]", `[TOOL_CALLS] [${call.slice(0, -4)}`, [cut('{"city":"Pari')]],
    ["behind a name", named, '[TOOL_CALLS]weather[ARGS]{"city": "Pa', [cut('{"city":"Pa')]],
    ["in Hermes' form", "<tool_call>", `<tool_call>\n${call}\n</tool_call>\n<tool_call>\n{"na`, [whole]],
    ["in Hermes' closing tag", "<tool_call>", `<tool_call>\n${call}\n</tool_c`, [whole]],
  ])("%s: has what there is of its calls", (_, template, text, calls) => {
    expect(readText(template, text, length, { isCut: true })).toEqual({ text: "", calls, isCut: true });
  });

  it.each([
    ["at the mark of its end", "<tool_call>", `<tool_call>\n${call}\n`],
    ["behind its last brace", "", call],
  ])("%s has its calls whole", (_, template, text) => {
    expect(readText(template, text, length, { isCut: true })).toEqual({ text: "", calls: [whole], isCut: false });
  });

  it.each([
    ["in its name", "", '{"name": "weath'],
    ["in the name of no tool", "", '{"name": "rain", "arguments": {"city": "Par'],
    ["in what cannot be arguments", "", '{"name": "weather", "arguments": [1], "x": 2'],
    ["in the trigger", "<tool_call>", "<tool_"],
    ["before the arguments", named, "[TOOL_CALLS]weather[AR"],
  ])("%s: calls nothing; it is text, but where nothing but calls was allowed", (_, template, text) => {
    expect(readText(template, text, length, { isCut: true })).toMatchObject({ text, calls: [] });
    const forced = { isCut: true, isForced: true };
    expect(readText(template, text, length, forced)).toMatchObject({ text: "", calls: [] });
  });
});

describe.each([1, 1000])("an answer that the model ended, in pieces of %i characters", (length) => {
  it("within arguments has the beginning of a call", () => {
    const text = '{"name": "weather", "arguments": {"a": 1';
    const calls = [{ name: "weather", arguments: '{"a":1', isWhole: false }];
    expect(readText("", text, length)).toEqual({ text: "", calls, isCut: false });
  });

  it("before them is text", () => {
    const text = '{"name": "weather", "arg';
    expect(readText("", text, length)).toEqual({ text, calls: [], isCut: false });
  });

  it.each([
    ['{"a": 1 2}', '{"a":1 2}'],
    ['{"a": [1}}', '{"a":[1}}'],
    ['{"a": tru e}', '{"a":tru e}'],
  ])("with arguments that are no JSON, %s, says so, and has them as they are", (json, told) => {
    const { text, calls } = readText("", `{"name": "weather", "arguments": ${json}`, length);
    expect([text, calls]).toEqual(["", [{ name: "weather", arguments: told, isWhole: false }]]);
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
