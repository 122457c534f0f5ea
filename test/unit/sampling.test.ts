import { describe, expect, it } from "vitest";

import { interpretRequest, requestRules } from "../../src/context/request-options.js";
import { readOptions } from "../../src/validate.js";
import { fakeModel } from "./fake-model.js";

const { tokenizer } = fakeModel().model;
const interpret = (options: unknown): ReturnType<typeof interpretRequest> =>
  interpretRequest(readOptions("generate", requestRules, options), tokenizer);

it("has llama.cpp's defaults", () => {
  expect(interpret({ seed: 1 })).toEqual({
    maxTokens: 0x7fffffff,
    stop: [],
    stopTokens: new Int32Array(),
    ignoreEos: false,
    logprobs: -1,
    contextShift: false,
    keepTokens: 0,
    cachePrompt: false,
    renderSpecial: false,
    priority: 0,
    timeoutMs: 0,
    promptLookup: 0,
    draft: -1,
    sampling: {
      seed: 1,
      temperature: 0.8,
      dynamicTemperatureRange: 0,
      dynamicTemperatureExponent: 1,
      topK: 40,
      topP: 0.95,
      minP: 0.05,
      typicalP: 1,
      topNSigma: -1,
      minKeep: 0,
      xtcProbability: 0,
      xtcThreshold: 0.1,
      dryMultiplier: 0,
      dryBase: 1.75,
      dryAllowedLength: 2,
      dryPenaltyLastN: -1,
      drySequenceBreakers: [],
      repeatPenalty: 1,
      frequencyPenalty: 0,
      presencePenalty: 0,
      repeatLastN: 64,
      mirostat: 0,
      mirostatTau: 5,
      mirostatEta: 0.1,
      logitBiasTokens: new Int32Array(),
      logitBiasValues: new Float32Array(),
      order: ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"],
      grammar: "",
    },
  });
});

it("takes prompts from the cache by default, unless a seed asks for a repeatable text", () => {
  expect(interpret({}).cachePrompt).toBe(true);
  expect(interpret({ seed: 1 }).cachePrompt).toBe(false);
  expect(interpret({ seed: 1, cachePrompt: true }).cachePrompt).toBe(true);
  expect(interpret({ cachePrompt: false }).cachePrompt).toBe(false);
});

it("draws a new seed below 2^32 - 1 for each request", () => {
  const seeds = Array.from({ length: 50 }, () => interpret({}).sampling.seed);
  expect(new Set(seeds).size).toBeGreaterThan(45);
  for (const seed of seeds) expect(Number.isInteger(seed) && seed >= 0 && seed < 0xffffffff).toBe(true);
});

it("turns groups on with defaults of their own", () => {
  expect(interpret({ dry: {}, xtc: {}, mirostat: {}, dynamicTemperature: { range: 0.5 } }).sampling).toMatchObject({
    dryMultiplier: 0.8,
    drySequenceBreakers: ["\n", ":", '"', "*"],
    xtcProbability: 0.5,
    mirostat: 2,
    dynamicTemperatureRange: 0.5,
  });
});

it("translates the rest", () => {
  const request = interpret({
    samplerOrder: ["temperature", "typicalP", "topNSigma"],
    topNSigma: 1.5,
    stop: "END\ud800",
    stopTokens: [7],
    logprobs: true,
    repeatLastTokens: -1,
  });
  expect(request).toMatchObject({ stop: ["END\ufffd"], stopTokens: Int32Array.of(7), logprobs: 0 });
  expect(request.sampling).toMatchObject({
    order: ["temperature", "typ_p", "top_n_sigma"],
    topNSigma: 1.5,
    repeatLastN: -1,
  });
  expect(interpret({ logprobs: false }).logprobs).toBe(-1);
  expect(interpret({ logprobs: 5, stop: ["a", "b"] })).toMatchObject({ logprobs: 5, stop: ["a", "b"] });
});

describe("logitBias", () => {
  const bias = (logitBias: unknown): [number, number][] => {
    const { logitBiasTokens, logitBiasValues } = interpret({ logitBias }).sampling;
    return [...logitBiasTokens].map((token, index) => [token, logitBiasValues[index]!]);
  };

  it("takes token ids and texts", () => {
    expect(bias({ 7: -1, "</s>": -Infinity })).toEqual([
      [7, -1],
      [2, -Infinity],
    ]);
    expect(
      bias(
        new Map<number | string, number>([
          [7, 2],
          ["7", 3],
        ]),
      ),
    ).toEqual([
      [7, 2],
      [5 + "7".charCodeAt(0), 3],
    ]);
  });

  it.each([
    [{ 7: Infinity }, "Expected a finite number or -Infinity for logitBias[7] but received Infinity"],
    [{ a: 1e39 }, 'for logitBias["a"] but received 1e+39'],
    [{ a: "ban" }, 'for logitBias["a"] but received "ban"'],
    [{ 99999: 1 }, "Expected a token id from 0 to 266 for logitBias[99999] but received 99999"],
    [[1], "Expected an object for logitBias"],
    [new Map([[true, 1]]), "a token id or a non-empty text for a key of logitBias but received true"],
  ])("refuses %o", (logitBias, message) => {
    expect(() => bias(logitBias)).toThrow(message);
  });
});

describe("refuses", () => {
  it.each([
    [{ temperature: -1 }, "Expected a finite number of at least 0 for temperature but received -1"],
    [{ topP: 1.1 }, "Expected a number from 0 to 1 for topP but received 1.1"],
    [{ topK: 0.5 }, "for topK but received 0.5"],
    [{ seed: 0xffffffff }, "Expected an integer from 0 to 4294967294 for seed but received 4294967295"],
    [{ seed: -1 }, "for seed but received -1"],
    [{ frequencyPenalty: 3 }, "Expected a number from -2 to 2 for frequencyPenalty but received 3"],
    [{ repeatPenalty: 0 }, "for repeatPenalty but received 0"],
    [{ mirostat: { version: 3 } }, "Expected one of 1, 2 for mirostat.version but received 3"],
    [{ mirostat: 2 }, "Expected an object for mirostat but received 2"],
    [{ dry: { multiplyer: 1 } }, '(did you mean "multiplier"?) for an option name of dry but received "multiplyer"'],
    [
      { dry: { sequenceBreakers: Array.from("abcdefghijklmnopq") } },
      "Expected at most 16 texts for dry.sequenceBreakers but received 17",
    ],
    [{ dry: { sequenceBreakers: [""] } }, "Expected a non-empty string for dry.sequenceBreakers[0]"],
    [{ samplerOrder: ["topK", "topk"] }, 'for samplerOrder[1] but received "topk"'],
    [{ samplerOrder: ["topK", "topK"] }, "Expected each sampler at most once for samplerOrder"],
    [{ grammar: "" }, 'Expected a non-empty string for grammar but received ""'],
    [{ jsonSchema: "{}" }, 'Expected a JSON schema that a value can satisfy for jsonSchema but received "{}"'],
    [{ jsonSchema: { properties: { a: { uniqueItems: true } } } }, "for jsonSchema.properties.a.uniqueItems but"],
    [{ jsonSchema: {}, grammar: "x" }, 'Expected no grammar beside a jsonSchema for grammar but received "x"'],
    [{ maxTokens: -1 }, "for maxTokens but received -1"],
    [{ maxTokens: Infinity }, "for maxTokens but received Infinity"],
    [{ stop: "" }, 'Expected a non-empty string for stop but received ""'],
    [{ stop: ["x", 1] }, "Expected a non-empty string for stop[1] but received 1"],
    [{ stop: {} }, "Expected a string or an array of strings for stop"],
    [{ stopTokens: [1e9] }, "for stopTokens[0] but received 1000000000"],
    [{ stopTokens: 3 }, "Expected an Int32Array or an array of token ids for stopTokens but received 3"],
    [{ logprobs: 21 }, "Expected a boolean or an integer from 0 to 20 for logprobs but received 21"],
    [{ onToken: "print" }, "Expected a function for onToken"],
    [{ max_tokens: 5 }, '(did you mean "maxTokens"?) for an option name of generate but received "max_tokens"'],
  ])("%o", (options, message) => {
    expect(() => interpret(options)).toThrow(message);
  });
});
