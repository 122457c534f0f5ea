import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { resolveModel } from "../../src/hub/index.js";

describe("resolveModel", () => {
  let folder: string;
  let file: string;
  const savedHome = { HOME: process.env["HOME"], USERPROFILE: process.env["USERPROFILE"] };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hub-resolve-"));
    file = join(folder, "a model ü.gguf");
    await writeFile(file, "GGUF");
    await mkdir(join(folder, "empty"));
    Object.assign(process.env, { HOME: folder, USERPROFILE: folder });
  });

  afterAll(async () => {
    for (const [name, value] of Object.entries(savedHome)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
    await rm(folder, { recursive: true });
  });

  it("takes an absolute path", async () => {
    expect(await resolveModel(file)).toBe(file);
  });

  it("takes a path relative to the working directory", async () => {
    expect(await resolveModel(relative(process.cwd(), file))).toBe(file);
  });

  it("takes a path in the home folder", async () => {
    expect(await resolveModel("~/a model ü.gguf")).toBe(file);
  });

  it("takes a file: URL", async () => {
    expect(await resolveModel(pathToFileURL(file).href)).toBe(file);
  });

  it("does not report progress for a file that is there", async () => {
    const fractions: number[] = [];
    await resolveModel(file, { onProgress: (fraction) => fractions.push(fraction) });
    expect(fractions).toEqual([]);
  });

  it.each([
    ["./missing.gguf", /^There is no file .*missing\.gguf$/],
    ["missing.gguf", /^There is no file .*missing\.gguf$/],
    ["~/missing", /^There is no file .*missing$/],
    ["/no/such/folder/x", /^There is no file .*x$/],
    ["file:///no/such.gguf", /^There is no file .*such\.gguf$/],
    ["file://elsewhere/such.gguf?x#y", /not the URL of a file on this machine|There is no file/],
    [
      "no-such-model",
      /neither a model named "no-such-model" nor a file .*Known names: mistral-7b-instruct-v0\.2, .*hf:owner/,
    ],
    ["owner/repository", /neither a model named "owner\/repository" nor a file .*is written hf:owner\/repository$/],
    ["mistral-7b-instruct-v0.4", /neither a model named .* Did you mean mistral-7b-instruct-v0\.\d\?$/],
    ["mistral-7b-instruct-v", /may mean several models; choose one: mistral-7b-instruct-v0\.2, .*-v0\.1, .*-v0\.3$/],
    [
      "hf:owner",
      /^hf:owner is not hf:owner\/repository, hf:owner\/repository:quantization or hf:owner\/repository\/file\.gguf$/,
    ],
    ["hf:owner/repository/../x.gguf", /^hf:\S+ is not hf:owner\/repository/],
  ])("says what was looked for: %s", async (source, message) => {
    await expect(resolveModel(source)).rejects.toMatchObject({
      name: "LlamaError",
      code: "MODEL_NOT_FOUND",
      message: expect.stringMatching(message),
      details: { source },
    });
  });

  it("names the models of a folder", async () => {
    const error = { code: "MODEL_NOT_FOUND", message: `${folder} is a folder, not a GGUF file; in it: ${file}` };
    await expect(resolveModel(folder)).rejects.toMatchObject(error);
  });

  it("refuses a folder without models", async () => {
    const empty = join(folder, "empty");
    const error = { code: "MODEL_NOT_FOUND", message: `${empty} is a folder, not a GGUF file` };
    await expect(resolveModel(empty)).rejects.toMatchObject(error);
  });

  it.runIf(process.platform !== "win32")("refuses a device", async () => {
    const error = { code: "MODEL_NOT_FOUND", message: "/dev/null is not a regular file" };
    await expect(resolveModel("/dev/null")).rejects.toMatchObject(error);
  });

  it.each([undefined, null, 7, "", "a\0b", {}])("refuses %j as a source", async (source) => {
    await expect(resolveModel(source as string)).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringMatching(/^Expected a model's name or the path of a GGUF file for model but received /),
    });
  });

  it("rejects with the signal's reason when cancelled before", async () => {
    const reason = new Error("changed my mind");
    await expect(resolveModel("smollm2", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
