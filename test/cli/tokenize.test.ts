import { beforeAll, describe, expect, it } from "vitest";

import { loadModel } from "../../src/index.js";
import { vocabularyOnly } from "../support/models.js";
import { run } from "./command.js";

const text = "Grüße 👋 from </s>\n  here";

let model: string;

beforeAll(async () => {
  model = await vocabularyOnly();
});

describe("tokenize", () => {
  it.each([
    { flags: [], options: {} },
    { flags: ["--special"], options: { parseSpecial: true } },
    { flags: ["--add-special"], options: { addSpecial: true } },
    { flags: ["--special", "--add-special"], options: { parseSpecial: true, addSpecial: true } },
  ])("prints the library's tokens with $flags", async ({ flags, options }) => {
    await using loaded = await loadModel(model, { vocabularyOnly: true });
    const tokens = [...loaded.tokenizer.encode(text, options)];
    const expected = { code: 0, stdout: `${JSON.stringify({ tokens })}\n`, stderr: "" };
    expect(await run(["tokenize", model, ...flags, "--json", "-p", text])).toEqual(expected);
    expect(await run(["tokenize", model, ...flags, "--json"], { input: text })).toEqual(expected);
  });

  it("lists a token a line for people", async () => {
    const { code, stdout } = await run(["tokenize", model, "--special", "--add-special", "-p", 'a "b"</s>🦙']);
    expect(code).toBe(0);
    expect(stdout.split("\n").map((line) => line.trim())).toEqual([
      '1  "<s>"',
      '264  " a"',
      '345  " \\""',
      '28726  "b"',
      '28739  "\\""',
      '2  "</s>"',
      expect.stringMatching(/^\d+ {2}" "$/),
      ...["F0", "9F", "A6", "99"].map((byte): unknown => expect.stringMatching(`^\\d+  "\\\\x${byte}"$`)),
      "",
    ]);
  });

  it("takes standard input as it is, to its last newline", async () => {
    expect(await run(["tokenize", model, "--json"], { input: "hi\n" })).toMatchObject({
      stdout: '{"tokens":[12014,13]}\n',
    });
    expect(await run(["tokenize", model, "--json"], { input: "" })).toMatchObject({ stdout: '{"tokens":[]}\n' });
    expect(await run(["tokenize", model], { input: "" })).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("takes a megabyte", async () => {
    const { stdout } = await run(["tokenize", model, "--json"], { input: "many words ".repeat(100_000) });
    const { tokens } = JSON.parse(stdout) as { tokens: number[] };
    expect(tokens.length).toBeGreaterThanOrEqual(200_000);
  });

  it("refuses what is no text", async () => {
    expect(await run(["tokenize", model], { input: new Uint8Array([0x68, 0xff]) })).toEqual({
      code: 1,
      stdout: "",
      stderr: "llama-native: Standard input is not UTF-8 text\n",
    });
  });
});
