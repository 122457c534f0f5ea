import { describe, expect, it } from "vitest";

import { SpecialTexts } from "../../src/model/special-texts.js";
import { fakeModel } from "./fake-model.js";

describe("Tokenizer", () => {
  const { model, addon } = fakeModel();
  const { tokenizer } = model;

  it("adds and parses nothing special unless asked to", () => {
    expect([...tokenizer.encode("</s>")]).toHaveLength(4);
    expect([...tokenizer.encode("</s>", { parseSpecial: true })]).toEqual([2]);
    expect([...tokenizer.encode("a", { addSpecial: true })]).toEqual([1, 5 + 97]);
  });

  it("gives lone surrogates the replacement character and keeps NUL", () => {
    expect(tokenizer.decode(tokenizer.encode("a\0b\ud800c\ud83d\ude00"))).toBe("a\0b\ufffdc😀");
  });

  it("goes off the JS thread for long texts where it may", async () => {
    addon.calls.length = 0;
    await tokenizer.encodeSoon("x".repeat(4096));
    expect(addon.calls).toEqual([]);
    await tokenizer.encodeSoon("x".repeat(4097));
    expect(addon.calls).toEqual(["tokenizeAsync"]);
  });

  it("knows special tokens", () => {
    expect(tokenizer).toMatchObject({ bos: 1, eos: 2, addBos: true, endOfGeneration: [2, 4] });
    expect(tokenizer.isEndOfGeneration(4)).toBe(true);
    expect(tokenizer.isEndOfGeneration(5)).toBe(false);
    expect(tokenizer.special).toMatchObject({ eot: null, fimMiddle: null });
  });

  it("keeps a byte order mark", () => {
    const [first, second, third] = tokenizer.encode("\ufeff");
    expect(tokenizer.decode([first!, second!, third!])).toBe("\ufeff");
  });

  it.each([
    [() => tokenizer.encode(1 as never), "Expected a string for text but received 1"],
    [() => tokenizer.encode("", { special: true } as never), "for an option name of encode"],
    [() => tokenizer.decode([1, 9999]), "Expected a token id from 0 to 266 for tokens[1] but received 9999"],
    [() => tokenizer.decode([-1]), "for tokens[0] but received -1"],
    [() => tokenizer.decode([1.5]), "for tokens[0] but received 1.5"],
    [() => tokenizer.decode("abc" as never), "Expected an Int32Array or an array of token ids for tokens"],
    [() => tokenizer.decode(Int32Array.of(-7)), "for tokens[0] but received -7"],
    [() => tokenizer.tokenText(267), "for token but received 267"],
    [() => tokenizer.isEndOfGeneration(NaN), "for token but received NaN"],
  ])("refuses wrong arguments: %s", (use, message) => {
    expect(use).toThrow(message);
  });
});

describe("SpecialTexts", () => {
  const specials = new SpecialTexts(["</s>", "<s>", "<|end|>", "<|end|>of", "", "a.b"]);

  it("finds texts, the longest first", () => {
    expect(specials.find("x<|end|>ofy</s>")).toEqual([
      { start: 1, end: 10 },
      { start: 11, end: 15 },
    ]);
  });

  it("takes characters of regular expressions literally", () => {
    expect(specials.isIn("axb")).toBe(false);
    expect(specials.isIn("_a.b_")).toBe(true);
    expect(specials.isIn("|end|")).toBe(false);
  });

  it("looks at one place", () => {
    expect(specials.isAt("x</s>", 1)).toBe(true);
    expect(specials.isAt("x</s>", 0)).toBe(false);
  });

  it("finds nothing in a vocabulary without control tokens", () => {
    const none = new SpecialTexts([]);
    expect(none.find("</s>")).toEqual([]);
    expect(none.isIn("</s>") || none.isAt("</s>", 0)).toBe(false);
    expect(none.replaceIn("</s>", () => "")).toBe("</s>");
  });
});
