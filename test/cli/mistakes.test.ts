import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { smollm2 } from "../support/models.js";
import { run } from "./command.js";

const folder = mkdtempSync(join(tmpdir(), "llama-native-mistakes-"));
const foreign = join(folder, "foreign.gguf");
writeFileSync(foreign, "<!DOCTYPE html>");

let model: string;

beforeAll(async () => {
  model = await smollm2();
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Each is found out before the model is looked for, so that none is needed. */
const misuses: [args: string, message: string][] = [
  ["--temperature warm", 'Expected a finite number of at least 0 for --temperature but received "warm"'],
  ["--temperature -1", "Expected a finite number of at least 0 for --temperature but received -1"],
  ["--temperature 0x1", 'Expected a finite number of at least 0 for --temperature but received "0x1"'],
  ["--temperature Infinity", 'Expected a finite number of at least 0 for --temperature but received "Infinity"'],
  ["--top-k 1.5", "Expected an integer from 0 to 2147483647 for --top-k but received 1.5"],
  ["--max-tokens 10k", 'Expected an integer from 0 to 2147483647 for --max-tokens but received "10k"'],
  ["--seed -1", "Expected an integer from 0 to 4294967294 for --seed but received -1"],
  ["--context-size 0", "Expected an integer from 1 to 2147483647 for --context-size but received 0"],
  ["--threads few", 'Expected an integer from 0 to 512 for --threads but received "few"'],
  ["--dry-multiplier 1 --dry-base 0.5", "Expected a finite number of at least 1 for --dry-base but received 0.5"],
  ["--mirostat 3", "Expected one of 1, 2 for --mirostat but received 3"],
  ["--mirostat 2 --mirostat-tau x", 'Expected a finite number of at least 0 for --mirostat-tau but received "x"'],
  ["--flash-attention maybe", 'Expected one of "auto", "on", "off" for --flash-attention but received "maybe"'],
  ["--gpu-layers some", 'Expected a number of layers, "auto" or "all" for --gpu-layers but received "some"'],
  ["--direct-io --mlock", "Expected false together with directIo for --mlock but received true"],
  ["--logit-bias x", 'Expected <token=bias> for --logit-bias but received "x"'],
  ["--logit-bias x=y", 'Expected a finite number or -Infinity for --logit-bias["x"] but received "y"'],
  ["--metadata-override x", 'Expected <key=value> for --metadata-override but received "x"'],
  ["--template-variables [1]", 'Expected a JSON object for --template-variables but received "[1]"'],
  ["--json-schema {", 'Expected a JSON object for --json-schema but received "{"'],
  [
    '--json-schema {"minProperties":1}',
    "Expected no value, as a grammar cannot keep this keyword for --json-schema.minProperties but received 1",
  ],
  ["--dry-base 1.75", "--dry-base needs --dry-multiplier, which turns it on"],
  ["--xtc-threshold 0.1", "--xtc-threshold needs --xtc-probability, which turns it on"],
  ["--mirostat-tau 5", "--mirostat-tau needs --mirostat, which turns it on"],
  ["--draft 8", "--draft needs --draft-model"],
  ["--logprobs 2", "--logprobs needs --json to show them"],
  ["--grammar x --grammar-file y", "option '--grammar-file <path>' cannot be used with option '--grammar <gbnf>'"],
  ["--temprature 1", "unknown option '--temprature' (Did you mean --temperature?)"],
  ["--threads", "option '--threads <count>' argument missing"],
  ["extra", "too many arguments for 'chat'. Expected 1 argument but got 2."],
];

describe("a mistake in the options", () => {
  it.each(misuses)("chat … %s", async (args, message) => {
    expect(await run(["chat", "/nonexistent", "-p", "hi", ...args.split(" ")])).toEqual({
      code: 2,
      stdout: "",
      stderr: `llama-native: ${message}\n`,
    });
  });

  it("is told in the same way where only the model shows it", async () => {
    const { code, stderr } = await run(["complete", model, "-p", "hi", "--stop-tokens", "1,49152"]);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "llama-native: Expected a token id from 0 to 49151 for --stop-tokens[1] but received 49152\n",
    });
  });

  it("is a command that is not there", async () => {
    expect(await run(["chta", model])).toEqual({
      code: 2,
      stdout: "",
      stderr: "llama-native: unknown command 'chta' (Did you mean chat?)\n",
    });
  });

  it.each(["chat", "complete", "tokenize", "inspect"])("is %s without a model", async (command) => {
    const expected = { code: 2, stdout: "", stderr: "llama-native: missing required argument 'model'\n" };
    expect(await run([command])).toEqual(expected);
  });

  it("is a message that is empty", async () => {
    const expected = { code: 2, stdout: "", stderr: "llama-native: The message is empty\n" };
    expect(await run(["chat", model])).toEqual(expected);
    expect(await run(["chat", model, "-p", " "])).toEqual(expected);
  });
});

describe("a failure", () => {
  it("is a model that is not there", async () => {
    const { code, stdout, stderr } = await run(["chat", "nosuch", "-p", "hi"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^llama-native: There is neither a model named "nosuch" nor a file .*smollm2.*\n$/);
  });

  it("is a file that is no model", async () => {
    const { code, stdout, stderr } = await run(["complete", foreign, "-p", "hi"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^llama-native: ".*foreign\.gguf" is not a GGUF file: it is an HTML page.*\n$/);
  });

  it("is a file of a flag that cannot be read", async () => {
    expect(await run(["complete", model, "-p", "hi", "--grammar-file", "/nonexistent"])).toEqual({
      code: 1,
      stdout: "",
      stderr: "llama-native: Cannot read /nonexistent: no such file or directory\n",
    });
  });

  it("is a prompt longer than the context", async () => {
    const { code, stdout, stderr } = await run(["complete", model, "--context-size", "32", "-p", "word ".repeat(99)]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^llama-native: The prompt has 100 tokens, but .* 32\n$/);
  });

  it("is an addon that is not built", async () => {
    const { code, stderr } = await run(["chat", model, "-p", "hi"], { env: { LLAMA_NATIVE_ADDON: "/nonexistent" } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^llama-native: (?!llama-native).*npx llama-native build/s);
  });

  it("shows its causes when asked, and its stack for those who look into it", async () => {
    const folderFlag = ["--system-file", folder];
    const plain = await run(["chat", model, "-p", "hi", ...folderFlag]);
    expect(plain.stderr).toBe(`llama-native: Cannot read ${folder}: illegal operation on a directory\n`);
    const verbose = await run(["chat", model, "-p", "hi", ...folderFlag, "--verbose"]);
    expect(verbose.stderr).toBe(`${plain.stderr}  EISDIR: illegal operation on a directory, read\n`);
    const debug = await run(["chat", model, "-p", "hi", ...folderFlag], { env: { LLAMA_NATIVE_DEBUG: "1" } });
    expect(debug.stderr).toMatch(/\n {4}at /);
  });
});
