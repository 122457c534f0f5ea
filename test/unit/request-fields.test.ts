import { describe, expect, test } from "vitest";

import { toGenerateRequest } from "../../src/server/ollama/requests.js";
import { chatBody, toChatRequest } from "../../src/server/openai/chat-request.js";
import { extensionFields, samplingFields, toOptions } from "../../src/server/openai/request-fields.js";
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

describe("each of OpenAI's and llama.cpp's fields becomes an option", () => {
  const table: Record<string, [given: Parameters<typeof toOptions>[0], option: object]> = {
    temperature: [{ temperature: 0.3 }, { temperature: 0.3 }],
    top_p: [{ top_p: 0.3 }, { topP: 0.3 }],
    frequency_penalty: [{ frequency_penalty: 0.3 }, { frequencyPenalty: 0.3 }],
    presence_penalty: [{ presence_penalty: 0.3 }, { presencePenalty: 0.3 }],
    logit_bias: [{ logit_bias: { "5": -100, "6": 2 } }, { logitBias: { "5": -Infinity, "6": 2 } }],
    seed: [{ seed: 2 ** 32 }, { seed: 1 }],
    stop: [{ stop: ["a"] }, { stop: ["a"] }],
    top_k: [{ top_k: 3 }, { topK: 3 }],
    min_p: [{ min_p: 0.3 }, { minP: 0.3 }],
    typical_p: [{ typical_p: 0.3 }, { typicalP: 0.3 }],
    top_n_sigma: [{ top_n_sigma: 2 }, { topNSigma: 2 }],
    min_keep: [{ min_keep: 3 }, { minKeep: 3 }],
    repeat_penalty: [{ repeat_penalty: 1.3 }, { repeatPenalty: 1.3 }],
    repeat_last_n: [{ repeat_last_n: -1 }, { repeatLastTokens: -1 }],
    dynatemp_range: [{ dynatemp_range: 0.3 }, { dynamicTemperature: { range: 0.3 } }],
    dynatemp_exponent: [
      { dynatemp_range: 0.3, dynatemp_exponent: 2 },
      { dynamicTemperature: { range: 0.3, exponent: 2 } },
    ],
    xtc_probability: [{ xtc_probability: 0.3 }, { xtc: { probability: 0.3 } }],
    xtc_threshold: [{ xtc_probability: 0.3, xtc_threshold: 0.2 }, { xtc: { probability: 0.3, threshold: 0.2 } }],
    dry_multiplier: [{ dry_multiplier: 0.3 }, { dry: { multiplier: 0.3 } }],
    dry_base: [{ dry_multiplier: 0.3, dry_base: 2 }, { dry: { multiplier: 0.3, base: 2 } }],
    dry_allowed_length: [{ dry_multiplier: 1, dry_allowed_length: 3 }, { dry: { multiplier: 1, allowedLength: 3 } }],
    dry_penalty_last_n: [{ dry_multiplier: 1, dry_penalty_last_n: 3 }, { dry: { multiplier: 1, lastTokens: 3 } }],
    dry_sequence_breakers: [
      { dry_multiplier: 1, dry_sequence_breakers: ["x"] },
      { dry: { multiplier: 1, sequenceBreakers: ["x"] } },
    ],
    mirostat: [{ mirostat: 2 }, { mirostat: { version: 2 } }],
    mirostat_tau: [{ mirostat: 1, mirostat_tau: 3 }, { mirostat: { version: 1, tau: 3 } }],
    mirostat_eta: [{ mirostat: 1, mirostat_eta: 0.3 }, { mirostat: { version: 1, eta: 0.3 } }],
    samplers: [{ samplers: ["typ_p", "top_k", "temperature"] }, { samplerOrder: ["typicalP", "topK", "temperature"] }],
    grammar: [{ grammar: "root ::= [a]" }, { grammar: "root ::= [a]" }],
    ignore_eos: [{ ignore_eos: true }, { ignoreEos: true }],
    cache_prompt: [{ cache_prompt: false }, { cachePrompt: false }],
    n_keep: [{ n_keep: 3 }, { keepTokens: 3 }],
    stop_token_ids: [{ stop_token_ids: [3] }, { stopTokens: [3] }],
  };

  test.each(Object.entries(table))("%s", (_, [given, option]) => {
    expect(toOptions(given)).toEqual(option);
  });

  test("and none is missing here", () => {
    const others = ["json_schema", "id_slot"]; // one is the answer's format, the other is refused
    expect([...Object.keys(table), ...others].sort()).toEqual(
      Object.keys({ ...samplingFields, ...extensionFields }).sort(),
    );
  });
});

test.each(["007", "1.5", "-1", " the"])("logit_bias: %j is no token's id", (key) => {
  const { success } = chatBody.safeParse({ messages: [{ role: "user", content: "x" }], logit_bias: { [key]: 1 } });
  expect(success).toBe(false);
});

describe("a call's arguments that come back", () => {
  const ask = (json: string): unknown => {
    const call = { id: "1", type: "function", function: { name: "f", arguments: json } };
    const messages = [{ role: "assistant", tool_calls: [call] }];
    const [prompt] = toChatRequest(chatBody.parse({ messages })).prompts;
    return prompt?.kind === "chat" ? prompt.messages[0]?.toolCalls?.[0]?.arguments : undefined;
  };

  test.each([
    ['{"city": "Rome"}', { city: "Rome" }],
    ["", {}],
    ['{"city": "Rome", "da', { city: "Rome" }],
    ['{"a": 1 2, "b": 3}', { b: 3 }],
    [" {", {}],
  ])("%j are %j", (json, args) => {
    expect(ask(json)).toEqual(args);
  });

  test.each(["[1]", "1", "x", "null", "[1"])("%j are refused", (json) => {
    expect(() => ask(json)).toThrow(expect.objectContaining({ param: "messages[0].tool_calls[0].function.arguments" }));
  });
});
