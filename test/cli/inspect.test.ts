import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, describe, expect, it } from "vitest";

import { inspectModel } from "../../src/index.js";
import { splitTinyModel, tinyModel } from "../support/models.js";
import { run } from "./command.js";

const folder = mkdtempSync(join(tmpdir(), "llama-native-inspect-"));

afterAll(() => rmSync(folder, { recursive: true }));

describe("inspect", () => {
  it("shows metadata and tensors in columns, and long values shortened", async () => {
    const { code, stdout, stderr } = await run(["inspect", await tinyModel()]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^ {2}general\.architecture +"llama"$/m);
    expect(stdout).toMatch(/^ {2}tokenizer\.ggml\.tokens +32000 x str: "<unk>", "<s>", "<\/s>".*…$/m);
    expect(stdout).toMatch(/^ {2}token_embd\.weight +q4_K +256 x 32000 +4\.61 MB$/m);
    const columns = stdout.split("\n").map((line) => /^ {2}\S+ +(?=q\d|f\d\d)/.exec(line)?.[0].length);
    expect(new Set(columns.filter((width) => width !== undefined)).size).toBe(1);
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThan(140);
  });

  it("prints all of it as JSON", async () => {
    const path = await tinyModel();
    const { stdout } = await run(["inspect", path, "--json"]);
    expect(JSON.parse(stdout)).toEqual({ files: [path], ...(await inspectModel(path)) });
  });

  it("shows the tensors of all files of a split model", async () => {
    const path = await splitTinyModel();
    const { stdout } = await run(["inspect", path, "--json"]);
    const split = JSON.parse(stdout) as { files: string[]; tensors: { name: string }[]; sizeBytes: number };
    const whole = await inspectModel(await tinyModel());
    expect(split.files).toHaveLength(3);
    expect(split.tensors.map(({ name }) => name).sort()).toEqual(whole.tensors.map(({ name }) => name).sort());
    expect(split.sizeBytes).toBeGreaterThan(whole.sizeBytes);
  });

  it("says what is wrong with a file", async () => {
    const path = join(folder, "broken.gguf");
    writeFileSync(path, "GGUF\x03\0\0\0");
    const { code, stdout, stderr } = await run(["inspect", path]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^llama-native: ".*broken\.gguf" is a corrupt or truncated GGUF file.*\n$/);
  });
});
