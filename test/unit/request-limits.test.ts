// Requests of many parts, and of deep ones: refused by their field, or mapped in a time that grows with their length alone.

import { describe, expect, test } from "vitest";

import { dialects } from "../../src/server/dialects.js";
import { checkBody } from "../../src/server/http/read-body.js";
import { responseBody, toResponseRequest } from "../../src/server/openai/response-request.js";
import { cpuTime } from "../support/cpu-time.js";

const messages = [{ role: "user", content: "x" }];

function read(path: string, body: object): unknown {
  const route = dialects.flatMap(({ routes }) => routes).find((one) => one.path === path && one.body !== undefined);
  if (route?.body === undefined) throw new Error(`Expected a route with a body at ${path}`);
  const checked = checkBody(route.body, body);
  return route.kind === "generation" ? route.prepare(checked) : checked;
}

function nested(levels: number): Record<string, unknown> {
  let value: Record<string, unknown> = {};
  for (let level = 1; level < levels; level++) value = { a: value };
  return value;
}

const refusal = (param: string, words: string): unknown =>
  expect.objectContaining({
    code: "invalid_request",
    param,
    message: expect.stringContaining(words) as string,
  });

/** A body with such a tool, so many times. */
const withTools: Record<string, (count: number, schema: object) => object> = {
  "/v1/chat/completions": (count, parameters) => ({
    messages,
    tools: Array(count).fill({ type: "function", function: { name: "f", parameters } }),
  }),
  "/v1/responses": (count, parameters) => ({
    input: "x",
    tools: Array(count).fill({ type: "function", name: "f", parameters }),
  }),
  "/v1/messages": (count, input_schema) => ({
    messages,
    max_tokens: 1,
    tools: Array(count).fill({ name: "f", input_schema }),
  }),
  "/api/chat": (count, parameters) => ({
    model: "m",
    messages,
    tools: Array(count).fill({ type: "function", function: { name: "f", parameters } }),
  }),
  "/apply-template": (count, parameters) => ({
    messages,
    tools: Array(count).fill({ type: "function", function: { name: "f", parameters } }),
  }),
};

describe.each(Object.entries(withTools))("tools of %s", (path, body) => {
  test("are 128 at most", () => {
    expect(() => read(path, body(128, { type: "object" }))).not.toThrow();
    expect(() => read(path, body(129, { type: "object" }))).toThrow(refusal("tools", "at most 128 tools"));
  });

  test("have schemas of 256 levels at most", () => {
    const param = expect.stringMatching(/^tools\[0\]\..*(parameters|input_schema)$/) as string;
    expect(() => read(path, body(1, nested(256)))).not.toThrow();
    for (const levels of [257, 5000, 100_000]) {
      expect(() => read(path, body(1, nested(levels)))).toThrow(refusal(param, "at most 256 levels"));
    }
  });
});

test("arguments of a call that comes back have 256 levels at most", () => {
  const call = (levels: number): object => {
    const json = '{"a":'.repeat(levels - 1) + "{}" + "}".repeat(levels - 1);
    const tool_calls = [{ id: "1", type: "function", function: { name: "f", arguments: json } }];
    return { messages: [...messages, { role: "assistant", tool_calls }] };
  };
  const path = "/v1/chat/completions";
  expect(() => read(path, call(256))).not.toThrow();
  const param = "messages[1].tool_calls[0].function.arguments";
  for (const levels of [257, 5000]) expect(() => read(path, call(levels))).toThrow(refusal(param, "256 levels"));
});

test("a response's calls belong to the message before them, however many there are", () => {
  const call = (index: number): object => ({ type: "function_call", call_id: `${index}`, name: "f", arguments: "{}" });
  const ask = (count: number): unknown => {
    const calls = Array.from({ length: count }, (_, index) => call(index));
    const said = { role: "assistant", content: "Let me see." };
    return toResponseRequest(responseBody.parse({ input: [...messages, call(0), said, ...calls] })).prompts[0];
  };
  const expected = [{ toolCalls: [{ id: "0" }] }, { content: "Let me see.", toolCalls: [{ id: "0" }, { id: "1" }] }];
  // Messages of the assistant in a row are joined later.
  expect(ask(2)).toMatchObject({ messages: [{ role: "user" }, ...expected] });
  const body = { input: Array.from({ length: 100_000 }, (_, index) => call(index)) };
  const checked = responseBody.parse(body);
  const map = (): void => {
    expect(toResponseRequest(checked).prompts).toMatchObject([{ messages: [{ toolCalls: { length: 100_000 } }] }]);
  };
  expect(cpuTime(map)).toBeLessThan(2500);
});
