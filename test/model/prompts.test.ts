import { readFileSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { LlamaModel } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { vocabularyOnly } from "../support/models.js";

interface Conversation {
  name: string;
  messages: { role: "system" | "user" | "assistant"; content: string }[];
}

interface Reference {
  groups: { name: string; cases: (Conversation & { text: string; tokens: number[] })[] }[];
  unsettled: Conversation[];
}

/** See reference/make-reference.py. */
const reference = JSON.parse(readFileSync(new URL("./reference/prompts.json", import.meta.url), "utf8")) as Reference;

describe("Mistral-7B-Instruct-v0.2's prompts", () => {
  let model: LlamaModel;

  beforeAll(async () => {
    model = await loadModel(await vocabularyOnly(), { vocabularyOnly: true });
  });

  afterAll(async () => {
    await model.dispose();
  });

  describe.each(reference.groups)("$name", ({ cases }) => {
    it.each(cases)("$name: tokens of the reference", ({ messages, tokens }) => {
      expect([...model.chatTemplate.apply(messages)]).toEqual(tokens);
    });

    it.each(cases)("$name: tokens of the reference off the JS thread", async ({ messages, tokens }) => {
      expect([...(await model.chatTemplate.applyAsync(messages))]).toEqual(tokens);
    });
  });

  const answered = reference.groups
    .flatMap(({ cases }) => cases)
    .filter(({ messages }) => messages.at(-1)?.role === "assistant" && messages.at(-2)?.role !== "assistant");

  it.each(answered)("$name: tokens of the reference where the answer is only begun, without its end", (example) => {
    const { messages, tokens } = example;
    const answerStart = messages.at(-1)?.content ?? "";
    expect([...model.chatTemplate.apply(messages.slice(0, -1), { answerStart })]).toEqual(tokens.slice(0, -1));
  });

  it.each(reference.unsettled)("renders what the reference refuses: $name", ({ messages }) => {
    const text = model.chatTemplate.render(messages);
    for (const { content } of messages) expect(text).toContain(content);
    expect(model.chatTemplate.apply(messages)[0]).toBe(1);
  });
});
