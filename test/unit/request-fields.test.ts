import { describe, expect, test } from "vitest";

import { toGenerateRequest } from "../../src/server/ollama/requests.js";
import { chatBody, toChatRequest } from "../../src/server/openai/chat-request.js";
import { toOptions } from "../../src/server/openai/request-fields.js";
import { responseBody, toResponseRequest } from "../../src/server/openai/response-request.js";

describe("what a request turns off takes the place of a default of the server", () => {
  const defaults = {
    mirostat: { version: 2 },
    dry: { multiplier: 1 },
    xtc: { probability: 1 },
    dynamicTemperature: { range: 1 },
    seed: 7,
    maxTokens: 5,
  };

  test("in OpenAI's and llama.cpp's fields", () => {
    const off = { mirostat: 0 as const, dry_multiplier: 0, xtc_probability: 0, dynatemp_range: 0, seed: -1 };
    const { maxTokens, ...others } = { ...defaults, ...toOptions({ ...off, dry_base: 1.75, mirostat_tau: 5 }) };
    expect(Object.values(others)).toEqual([undefined, undefined, undefined, undefined, undefined]);
    expect(maxTokens).toBe(5);
    expect({ ...defaults, ...toOptions({ temperature: 0, mirostat: null }) }).toEqual({ ...defaults, temperature: 0 });
  });

  test("in Ollama's", () => {
    const ask = (options: object): object => toGenerateRequest({ model: "m", prompt: "x", options }).options;
    expect({ ...defaults, ...ask({ seed: -1, num_predict: -1 }) }).toMatchObject({
      seed: undefined,
      maxTokens: undefined,
    });
    expect({ ...defaults, ...ask({}) }).toEqual(defaults);
    expect(ask({ seed: 3, num_predict: 4 })).toEqual({ seed: 3, maxTokens: 4 });
  });
});

test.each([
  ["dry_base", { dry_base: 2 }, "dry_multiplier"],
  ["xtc_threshold", { xtc_threshold: 0.1 }, "xtc_probability"],
  ["mirostat_eta", { mirostat_eta: 0.1, mirostat: null }, "mirostat"],
  ["dynatemp_exponent", { dynatemp_exponent: 1 }, "dynatemp_range"],
])("%s without the field it belongs to is refused by name", (param, body, wanted) => {
  expect(() => toOptions(body)).toThrow(expect.objectContaining({ param, message: expect.stringContaining(wanted) }));
});

test("tools are strict where they say so, in chats and in responses", () => {
  const functions = [
    { name: "a", strict: true },
    { name: "b", strict: false },
    { name: "c", strict: null },
    { name: "d" },
  ];
  const chatTools = functions.map((one) => ({ type: "function", function: one }));
  const chat = toChatRequest(chatBody.parse({ messages: [{ role: "user", content: "x" }], tools: chatTools }));
  const tools = functions.map((one) => ({ type: "function", ...one }));
  const response = toResponseRequest(responseBody.parse({ input: "x", tools }));
  for (const { prompts } of [chat, response]) expect(prompts).toMatchObject([{ strictTools: ["a"] }]);
});
