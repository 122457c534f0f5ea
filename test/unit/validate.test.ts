import { describe, expect, it } from "vitest";

import { InvalidOptionError } from "../../src/errors.js";
import {
  aBoolean,
  aNumber,
  anAbortSignal,
  anInteger,
  nearestName,
  oneOf,
  optional,
  optionsObject,
  readOptions,
  required,
  withDefault,
} from "../../src/validate.js";

const table = {
  maxTokens: withDefault(anInteger(0, 10), 5),
  temperature: optional(aNumber(0)),
  mode: withDefault(oneOf("fast", "slow"), "fast"),
  nested: optional(optionsObject({ flag: required(aBoolean) })),
};
const read = (options: unknown): unknown => readOptions("call", table, options);

describe("readOptions", () => {
  it("fills in defaults, for options left out and for undefined ones", () => {
    const defaults = { maxTokens: 5, temperature: undefined, mode: "fast", nested: undefined };
    expect(read(undefined)).toEqual(defaults);
    expect(read({ maxTokens: undefined })).toEqual(defaults);
  });

  it.each([
    [null, "Expected an object for the options of call but received null"],
    [[1], "Expected an object for the options of call but received an array of length 1"],
    [{ maxTokens: "5" }, 'Expected an integer from 0 to 10 for maxTokens but received "5"'],
    [{ maxTokens: 1.5 }, "Expected an integer from 0 to 10 for maxTokens but received 1.5"],
    [{ maxTokens: 11 }, "Expected an integer from 0 to 10 for maxTokens but received 11"],
    [{ maxTokens: null }, "Expected an integer from 0 to 10 for maxTokens but received null"],
    [{ temperature: NaN }, "Expected a finite number of at least 0 for temperature but received NaN"],
    [{ temperature: Infinity }, "Expected a finite number of at least 0 for temperature but received Infinity"],
    [{ mode: "quick" }, 'Expected one of "fast", "slow" for mode but received "quick"'],
    [{ nested: true }, "Expected an object for nested but received true"],
    [{ nested: {} }, "Expected a boolean for nested.flag but received undefined"],
    [
      { max_tokens: 3 },
      'Expected one of "maxTokens", "temperature", "mode", "nested" (did you mean "maxTokens"?) for an option name of call but received "max_tokens"',
    ],
    [
      { nested: { flga: true } },
      'Expected one of "flag" (did you mean "flag"?) for an option name of nested but received "flga"',
    ],
    [
      { toString: 1 },
      'Expected one of "maxTokens", "temperature", "mode", "nested" for an option name of call but received "toString"',
    ],
  ])("refuses %j", (options, message) => {
    expect(() => read(options)).toThrow(InvalidOptionError);
    expect(() => read(options)).toThrow(message);
  });

  it("takes no option from a prototype", () => {
    expect(() => read(JSON.parse('{"__proto__": {"maxTokens": 1}}'))).toThrow("option name of call");
    expect(read(Object.create({ maxTokens: 1 }))).toMatchObject({ maxTokens: 1 });
  });
});

it("suggests near names only", () => {
  const known = ["temperature", "topK", "topP", "seed"];
  expect(nearestName("temprature", known)).toBe("temperature");
  expect(nearestName("top_k", known)).toBe("topK");
  expect(nearestName("banana", known)).toBeUndefined();
});

it("tells an AbortSignal from an AbortController", () => {
  const controller = new AbortController();
  expect(anAbortSignal(controller.signal, "signal")).toBe(controller.signal);
  expect(() => anAbortSignal(controller, "signal")).toThrow("Expected an AbortSignal for signal");
});
