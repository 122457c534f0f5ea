import { readFileSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { LlamaModel } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { vocabularyOnly } from "../support/models.js";

/** A token, or a sequence that is repeated. */
type TokenRun = number | { repeat: number[]; times: number };
type TokenCase = ({ text: string } | { repeat: string; times: number }) & { tokens: TokenRun[] };

interface Reference {
  categories: { name: string; cases: TokenCase[] }[];
}

/** See reference/make-reference.py. */
const reference = JSON.parse(readFileSync(new URL("./reference/tokens.json", import.meta.url), "utf8")) as Reference;

function textOf(entry: TokenCase): string {
  return "text" in entry ? entry.text : entry.repeat.repeat(entry.times);
}

function tokensOf(entry: TokenCase): number[] {
  return entry.tokens.flatMap((run) =>
    typeof run === "number" ? [run] : Array.from({ length: run.times }, () => run.repeat).flat(),
  );
}

describe("Mistral-7B-Instruct-v0.2's tokenizer", () => {
  let model: LlamaModel;

  beforeAll(async () => {
    model = await loadModel(await vocabularyOnly(), { vocabularyOnly: true });
  });

  afterAll(async () => {
    await model.dispose();
  });

  it("is compared with the reference on at least 200 texts", () => {
    expect(reference.categories.flatMap(({ cases }) => cases).length).toBeGreaterThanOrEqual(200);
  });

  describe.each(reference.categories)("on $name", ({ cases }) => {
    it("encodes as the reference", () => {
      for (const entry of cases) {
        const text = textOf(entry);
        const tokens = model.tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
        expect({ text: text.slice(0, 100), tokens: [...tokens] }).toEqual({
          text: text.slice(0, 100),
          tokens: tokensOf(entry),
        });
      }
    });

    it("encodes the same off the JS thread", async () => {
      for (const entry of cases) {
        const tokens = await model.tokenizer.encodeAsync(textOf(entry), { addSpecial: false, parseSpecial: false });
        expect([...tokens]).toEqual(tokensOf(entry));
      }
    });

    it("decodes to the text", () => {
      for (const entry of cases) {
        const text = textOf(entry);
        const decoded = model.tokenizer.decode(Int32Array.from(tokensOf(entry)));
        expect(decoded).toBe(decodable(text));
      }
    });
  });

  it("encodes without special tokens and without parsing them unless asked", () => {
    expect([...model.tokenizer.encode("<s>Hello</s>")]).toEqual([523, 28713, 28767, 16230, 700, 28713, 28767]);
  });

  it("puts BOS in front when asked", () => {
    expect([...model.tokenizer.encode("Hello", { addSpecial: true })]).toEqual([1, 22557]);
    expect([...model.tokenizer.encode("", { addSpecial: true })]).toEqual([1]);
  });

  it("turns the text of control tokens into these when asked", () => {
    expect([...model.tokenizer.encode("<s>Hello</s>", { parseSpecial: true })]).toEqual([1, 22557, 2]);
  });

  it("knows the special tokens", () => {
    expect(model.tokenizer.bos).toBe(1);
    expect(model.tokenizer.eos).toBe(2);
    expect(model.tokenizer.endOfGeneration).toEqual([2]);
  });
});

/** The vocabulary keeps spaces as U+2581, so that this character itself comes back as a space. */
function decodable(text: string): string {
  return text.replaceAll("\u2581", " ");
}
