import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { smollm2, tinyModel } from "../support/models.js";
import { run } from "./command.js";
import { Terminal } from "./terminal.js";

const folder = mkdtempSync(join(tmpdir(), "llama-native-one-shot-"));
const question = "What is the capital of Japan?";
const greedy = ["--temperature", "0", "--threads", "1"];
const helpful = ["--system", "You are a helpful assistant.", ...greedy];

let model: string;

beforeAll(async () => {
  model = await smollm2();
});

afterAll(() => rmSync(folder, { recursive: true }));

describe("chat with one message", () => {
  it("prints the answer of a model known by name, and nothing else", async () => {
    expect(await run(["chat", "smollm2", ...helpful, "-p", question])).toEqual({
      code: 0,
      stdout: "The capital of Japan is Tokyo.\n",
      stderr: "",
    });
  });

  it("takes the message from standard input", async () => {
    expect(await run(["chat", model, ...helpful], { input: `${question}\n` })).toEqual({
      code: 0,
      stdout: "The capital of Japan is Tokyo.\n",
      stderr: "",
    });
  });

  it("prints no thoughts, which --json has, and --no-thinking does without", async () => {
    const template = join(folder, "thinking.jinja");
    const turns = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}";
    writeFileSync(template, `${turns}<|im_start|>assistant\n<think>\n{# </think> #}`);
    const chat = ["chat", model, ...greedy, "--max-tokens", "6", "--chat-template-file", template, "-p", question];
    expect(await run(chat)).toEqual({ code: 0, stdout: "\n", stderr: "" });
    const thought = JSON.parse((await run([...chat, "--json"])).stdout) as Record<string, unknown>;
    expect(thought).toMatchObject({ text: "", thinking: expect.stringMatching(/\w/), usage: { thinkingTokens: 6 } });
    expect((await run([...chat, "--thinking-in-text"])).stdout.trim()).toBe(thought["thinking"]);
    expect((await run([...chat, "--no-thinking"])).stdout).toMatch(/\w/);
    const terminal = new Terminal(chat, { CI: undefined }); // which would have no colours
    await expect(terminal.exitCode).resolves.toBe(0);
    expect(terminal.raw).toContain("\u001b[2m");
    const shown = stripVTControlCharacters(terminal.raw).trim();
    expect(shown.endsWith(thought["thinking"] as string)).toBe(true);
  });

  it("prints one JSON document", async () => {
    const { code, stdout, stderr } = await run(["chat", model, ...helpful, "--json", "-p", question]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const number: unknown = expect.any(Number);
    expect(JSON.parse(stdout)).toEqual({
      text: "The capital of Japan is Tokyo.",
      finishReason: "stop",
      stopString: null,
      usage: {
        promptTokens: 27,
        cachedTokens: 0,
        completionTokens: 7,
        thinkingTokens: 0,
        totalTokens: 34,
        draftedTokens: 0,
        acceptedTokens: 0,
      },
      timings: {
        queueMs: number,
        firstTokenMs: number,
        promptMs: number,
        generationMs: number,
        totalMs: number,
        promptTokensPerSecond: number,
        tokensPerSecond: number,
      },
      seed: number,
      model,
    });
    expect(stdout.trimEnd()).not.toContain("\n");
  });

  it("shows counts and rates on standard error", async () => {
    const { stdout, stderr } = await run(["chat", model, ...helpful, "--stats", "-p", question]);
    expect(stdout).toBe("The capital of Japan is Tokyo.\n");
    expect(stderr).toMatch(/^prompt 27 tokens \(0 cached\) at [\d.]+ tok\/s; generated 7 at .* ended by stop\n$/);
  });

  it("takes texts from files", async () => {
    const system = join(folder, "system.txt");
    const template = join(folder, "template.jinja");
    const grammar = join(folder, "grammar.gbnf");
    writeFileSync(system, "You are a helpful assistant.\n");
    writeFileSync(template, "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}");
    writeFileSync(grammar, 'root ::= "Rome" | "Berlin"');
    const spoken = ["chat", model, ...greedy, "-p", question, "--json", "--max-tokens", "2"];
    const promptTokens = async (...flags: string[]): Promise<unknown> =>
      (JSON.parse((await run([...spoken, ...flags])).stdout) as { usage: { promptTokens: number } }).usage.promptTokens;
    const fromFile = await promptTokens("--system-file", system, "--chat-template-file", template);
    expect(fromFile).toBe(
      await promptTokens("--system", "You are a helpful assistant.", "--chat-template-file", template),
    );
    const files = ["--system-file", system, "--chat-template-file", template, "--grammar-file", grammar];
    expect(await run(["chat", model, ...greedy, ...files, "-p", question])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^(Rome|Berlin)\n$/) as string,
      stderr: "",
    });
  });

  it("answers in the form of a JSON schema, from a file too", async () => {
    const schema = JSON.stringify({
      type: "object",
      properties: { capital: { enum: ["Tokyo", "Rome"] } },
      required: ["capital"],
      additionalProperties: false,
    });
    const file = join(folder, "schema.json");
    writeFileSync(file, schema);
    for (const flags of [
      ["--json-schema", schema],
      ["--json-schema-file", file],
    ]) {
      const { code, stdout, stderr } = await run(["chat", model, ...greedy, ...flags, "-p", question]);
      expect([code, stderr]).toEqual([0, ""]);
      expect(JSON.parse(stdout)).toEqual({ capital: "Tokyo" });
    }
  });

  it("passes variables to the template", async () => {
    const template = "<|im_start|>user\nSay {{ word }}<|im_end|>\n<|im_start|>assistant\n";
    const word = "a few more words than the other".repeat(5);
    const lengths = [];
    for (const variables of [{ word: "one" }, { word }]) {
      const flags = [
        "--chat-template",
        template,
        "--template-variables",
        JSON.stringify(variables),
        "--max-tokens",
        "1",
      ];
      const { stdout } = await run(["chat", model, ...greedy, ...flags, "--json", "-p", question]);
      lengths.push((JSON.parse(stdout) as { usage: { promptTokens: number } }).usage.promptTokens);
    }
    expect(lengths[1]).toBeGreaterThan(lengths[0]! + 20);
  });
});

describe("complete", () => {
  const complete = (...args: string[]) => run(["complete", model, "--threads", "1", ...args]);
  const start = "Once upon a time";

  it("continues a text, the same way each time without chance", async () => {
    const args = ["-p", start, "--temperature", "0", "--max-tokens", "8"];
    const first = await complete(...args);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout).toMatch(/^,? \w.*\n$/s);
    expect(await complete(...args)).toEqual(first);
    expect(await run(["complete", model, "--threads", "1", ...args.slice(2)], { input: `${start}\n` })).toEqual(first);
    expect(await complete(...args, "--echo")).toEqual({ ...first, stdout: start + first.stdout });
    const { text } = JSON.parse((await complete(...args, "--echo", "--json")).stdout) as { text: string };
    expect(`${text}\n`).toBe(start + first.stdout);
  });

  it("writes the same with a draft model, and refuses one of another vocabulary", async () => {
    const args = ["-p", "1, 2, 3, 4, 5,", "--temperature", "0", "--max-tokens", "24", "--json"];
    const read = ({ stdout }: { stdout: string }) =>
      JSON.parse(stdout) as { text: string; usage: { draftedTokens: number } };
    const plain = read(await complete(...args));
    const drafted = read(await complete(...args, "--draft-model", model));
    expect(drafted.text).toBe(plain.text);
    expect(drafted.usage.draftedTokens).toBeGreaterThan(0);
    expect(read(await complete(...args, "--draft-model", model, "--draft", "0")).usage.draftedTokens).toBe(0);
    expect(await complete(...args, "--draft-model", await tinyModel())).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("vocabulary") as string,
    });
  });

  it("repeats itself with the seed that was used", async () => {
    const args = ["-p", start, "--temperature", "2", "--max-tokens", "12", "--json"];
    const read = async (...more: string[]) =>
      JSON.parse((await complete(...args, ...more)).stdout) as { text: string; seed: number };
    const first = await read();
    const again = await read("--seed", String(first.seed));
    expect(again).toMatchObject({ text: first.text, seed: first.seed });
    expect((await read()).text).not.toBe(first.text);
  });

  it("takes the options of the library", async () => {
    const { code, stdout } = await complete(
      ...["-p", "1 2 3 4 5 6 7 8", "--json", "--max-tokens", "40", "--stop", "15", "--stop", " 15", "--logprobs", "2"],
      ...[
        "--temperature",
        "0.01",
        "--top-k",
        "5",
        "--dry-multiplier",
        "0.1",
        "--sampler-order",
        "dry,top-k,temperature",
      ],
      ...["--logit-bias", "ß=-inf", "--kv-type", "q8_0", "--context-size", "256", "--batch-size", "64", "--no-mmap"],
    );
    expect(code).toBe(0);
    const document = JSON.parse(stdout) as {
      text: string;
      logprobs: { logprob: number; bytes: number[]; top: object[] }[];
    };
    expect(document).toMatchObject({ finishReason: "stop", text: expect.stringMatching(/^ 9 .*14$/) as string });
    expect(document.logprobs[0]).toMatchObject({ token: expect.any(Number) as number, bytes: [32] });
    expect(document.logprobs[0]?.top).toHaveLength(2);
  });

  it("says so where the context ends the text", async () => {
    const { code, stdout, stderr } = await complete("-p", start, "--ignore-eos", "--context-size", "32");
    expect(code).toBe(0);
    expect(stdout.length).toBeGreaterThan(20);
    expect(stderr).toBe(
      "llama-native: the text ends here because the context is full; --context-size makes it larger, " +
        "--context-shift drops the oldest tokens\n",
    );
  });

  it("says what of a wish is not so, or not wise", async () => {
    const layers = await complete("-p", start, "--max-tokens", "1", "--gpu-layers", "99");
    expect(layers).toMatchObject({ code: 0, stderr: expect.stringMatching(/: No layers are on /) });
    const context = await complete("-p", start, "--max-tokens", "1", "--context-size", "9000");
    expect(context).toMatchObject({
      code: 0,
      stderr: "The model was trained with 8192 tokens; what it says beyond may make less sense\n",
    });
  });

  it("goes on beyond the context when it may drop what is old", async () => {
    const args = ["--ignore-eos", "--context-size", "32", "--context-shift", "--max-tokens", "60", "--json"];
    const { stdout } = await complete("-p", start, ...args);
    expect(JSON.parse(stdout)).toMatchObject({ usage: { completionTokens: 60 }, finishReason: "length" });
  });
});
