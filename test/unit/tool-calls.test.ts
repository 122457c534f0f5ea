import { describe, expect, it } from "vitest";

import { ToolReader } from "../../src/server/inference/tools/tool-reader.js";
import { syntaxOfTemplate } from "../../src/server/inference/tools/tool-syntax.js";

const call = '{"name": "weather", "arguments": {"city": "Paris"}}';
const weather = { name: "weather", arguments: { city: "Paris" } };

/** What a reader makes of a text that comes in pieces of this length. */
function read(template: string, text: string, length: number): { text: string; calls: object[] } {
  const reader = new ToolReader(syntaxOfTemplate(template), ["weather"]);
  let said = "";
  for (let at = 0; at < text.length; at += length) said += reader.push(text.slice(at, at + length));
  const end = reader.end();
  return { text: said + end.text, calls: end.calls };
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
