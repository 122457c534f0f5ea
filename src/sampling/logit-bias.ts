import { InvalidOptionError } from "../errors.js";
import type { Tokenizer } from "../model/tokenizer.js";
import type { Check } from "../validate.js";
import { asRecord } from "../validate.js";

type Entry = readonly [key: number | string, bias: number];

const tokenId = /^(0|[1-9][0-9]*)$/;

/** Checks shape and values; token ids and texts need the vocabulary and are looked up by {@link interpretLogitBias}. */
export const aLogitBias: Check<Entry[]> = (value, name) => {
  const entries: [unknown, unknown][] =
    value instanceof Map
      ? [...(value as Map<unknown, unknown>)]
      : Object.entries(asRecord(value, name)).map(([key, bias]) => [tokenId.test(key) ? Number(key) : key, bias]);
  return entries.map(([key, bias]) => {
    if (typeof key !== "number" && (typeof key !== "string" || key === "")) {
      throw new InvalidOptionError(`a key of ${name}`, "a token id or a non-empty text", key);
    }
    // The addon takes 32-bit floats: beyond their range a bias would be infinite.
    if (typeof bias !== "number" || Number.isNaN(bias) || Math.fround(bias) === Infinity) {
      throw new InvalidOptionError(`${name}[${JSON.stringify(key)}]`, "a finite number or -Infinity", bias);
    }
    return [key, bias];
  });
};

export function interpretLogitBias(
  entries: readonly Entry[],
  tokenizer: Tokenizer,
): { logitBiasTokens: Int32Array; logitBiasValues: Float32Array } {
  const biases = new Map<number, number>();
  for (const [key, bias] of entries) {
    const tokens = typeof key === "number" ? [key] : tokenizer.encode(key, { parseSpecial: true });
    if (typeof key === "number" && !(key >= 0 && key < tokenizer.vocabularySize && Number.isInteger(key))) {
      throw new InvalidOptionError(`logitBias[${key}]`, `a token id from 0 to ${tokenizer.vocabularySize - 1}`, key);
    }
    for (const token of tokens) biases.set(token, bias);
  }
  return {
    logitBiasTokens: Int32Array.from(biases.keys()),
    logitBiasValues: Float32Array.from(biases.values()),
  };
}
