import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { resolveModel } from "../../src/hub/index.js";
import { ollamaModelFile, ollamaModels } from "../../src/hub/ollama.js";
import { pulledByOllama } from "../support/hub/ollama.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox } from "../support/hub/sandbox.js";

let sandbox: Sandbox;

beforeEach(async () => {
  sandbox = await enterSandbox("http://127.0.0.1:1");
});

afterEach(async () => {
  await sandbox.leave();
});

const pulled = (name: string): Promise<string> =>
  pulledByOllama(join(sandbox.folder, "ollama"), name, Buffer.from(`GGUF ${name}`));

describe("a model that Ollama has", () => {
  it("is found by name and tag", async () => {
    const seven = await pulled("library/mistral/7b");
    const latest = await pulled("library/mistral/latest");
    const own = await pulled("someone/thing/q8_0");
    expect(await resolveModel("ollama:mistral:7b")).toBe(seven);
    expect(await resolveModel("ollama:mistral")).toBe(latest);
    expect(await resolveModel("ollama:someone/thing:q8_0")).toBe(own);
    expect(await resolveModel("ollama:someone/thing")).toBe(own); // the only tag there is
  });

  it.each([
    "ollama:library/mistral:7b",
    "ollama:registry.ollama.ai/library/mistral:7b",
    "ollama:registry.ollama.ai/library/mistral",
    "ollama:Library/Mistral:7B",
    "OLLAMA:Registry.Ollama.AI/Library/MISTRAL",
    "ollama:Mistral",
  ])("is found by its long name, in any case of letters: %s", async (source) => {
    const seven = await pulled("library/mistral/7b");
    await pulled("someone/mistral/7b");
    expect(await resolveModel(source)).toBe(seven);
  });

  it("is found by its owner's name, or another registry's with a port", async () => {
    const own = await pulled("someone/thing/latest");
    const other = await pulledByOllama(
      join(sandbox.folder, "ollama"),
      "../localhost:5000/someone/thing/latest",
      Buffer.from("GGUF"),
    );
    expect(await resolveModel("ollama:registry.ollama.ai/Someone/thing")).toBe(own);
    expect(await resolveModel("ollama:localhost:5000/someone/thing")).toBe(other);
  });

  it.each([
    ["ollama:mistrl:7b", /no model mistrl:7b on this disk\. Did you mean ollama:mistral:7b\?$/],
    ["ollama:mistral", /several models mistral; choose one: ollama:mistral:7b, ollama:mistral:8b$/],
    ["ollama:something-else", /no model something-else:latest on this disk\. It has mistral:7b, mistral:8b$/],
  ])("is named where %s is not clear", async (source, message) => {
    await pulled("library/mistral/7b");
    await pulled("library/mistral/8b");
    await expect(resolveModel(source)).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: expect.stringMatching(message),
    });
  });

  it("is named once where it is in two folders, of which the first is meant", async () => {
    const [one, other] = ["ollama", "service"].map((folder) => join(sandbox.folder, folder)) as [string, string];
    const first = await pulledByOllama(one, "library/mistral/7b", Buffer.from("GGUF 1"));
    await pulledByOllama(other, "library/mistral/7b", Buffer.from("GGUF 2"));
    await pulledByOllama(other, "library/mistral/8b", Buffer.from("GGUF 3"));
    expect((await ollamaModels([one, other])).map((model) => model.name)).toEqual(["mistral:7b", "mistral:8b"]);
    expect(await ollamaModelFile("mistral:7b", "", [one, other])).toBe(first);
    await expect(ollamaModelFile("mistral", "", [one, other])).rejects.toMatchObject({
      message: "Ollama has several models mistral; choose one: ollama:mistral:7b, ollama:mistral:8b",
    });
  });

  it("may be in a folder that cannot be read, which is said", async () => {
    const [one, other] = ["ollama", "service"].map((folder) => join(sandbox.folder, folder)) as [string, string];
    await mkdir(other);
    await writeFile(join(other, "manifests"), ""); // as good as a folder of somebody else
    const unread = `${join(other, "manifests")} (ENOTDIR) cannot be read: run this as a user who may`;
    await expect(ollamaModelFile("mistral", "", [one, other])).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: `Ollama has no models in ${one} or ${other}; ${unread}`,
    });
    await pulledByOllama(one, "library/phi/latest", Buffer.from("GGUF"));
    await expect(ollamaModelFile("mistral", "", [one, other])).rejects.toMatchObject({
      message: `Ollama has no model mistral:latest on this disk. It has phi:latest; ${unread}`,
    });
  });

  it("is not there without its blob, or without Ollama", async () => {
    await expect(resolveModel("ollama:mistral")).rejects.toMatchObject({
      message: expect.stringMatching(/^Ollama has no models in /),
    });
    await pulled("library/half/latest");
    await mkdir(join(sandbox.folder, "ollama", "manifests", "registry.ollama.ai", "library", "broken"));
    await writeFile(
      join(sandbox.folder, "ollama", "manifests", "registry.ollama.ai", "library", "broken", "latest"),
      "{",
    );
    await expect(resolveModel("ollama:broken")).rejects.toMatchObject({
      message: expect.stringMatching(/It has half:latest|Did you mean/),
    });
  });
});
