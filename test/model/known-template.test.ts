import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { loadModel } from "../../src/index.js";
import { tinyModel } from "../support/models.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "llama-native-template-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The tiny model of Mistral's vocabulary, in a file from before GGUF had templates. */
async function withoutTemplate(name: string): Promise<string> {
  const bytes = await readFile(await tinyModel());
  bytes.write("tokenizer.none_template", bytes.indexOf("tokenizer.chat_template"));
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

const messages = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Is it?" },
  { role: "assistant", content: "Yes." },
  { role: "user", content: "Sure?" },
] as const;

test("a file of Mistral-7B-Instruct-v0.1 without a chat template has Mistral's", async () => {
  await using model = await loadModel(await withoutTemplate("mistral-7b-instruct-v0.1.Q4_K_M.gguf"));
  await using reference = await loadModel(await tinyModel());
  expect(model.chatTemplate.apply(messages)).toEqual(reference.chatTemplate.apply(messages));
  await using chat = model.createChat();
  expect((await chat.send("Is it?", { maxTokens: 2, ignoreEos: true })).tokens).toHaveLength(2);
});

test("a file of a model that nobody knows has none", async () => {
  await using model = await loadModel(await withoutTemplate("other.gguf"));
  expect(model.chatTemplateSource).toBeNull();
  expect(() => model.createChat()).toThrow("no chat template");
});
