// Filling a gap in a text, on a model that has tokens for it.

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { LlamaServer } from "../../src/server/index.js";
import { createServer } from "../../src/server/index.js";
import { gapModel } from "../support/models.js";
import { eventsOf, post } from "./support.js";

/** The last of the vocabulary. */
const [fimPrefix, fimSuffix, fimMiddle] = [31997, 31998, 31999];
const bos = 1;
const [before, after] = ["The sum of two and three", " is five, as everybody knows."];

let server: LlamaServer;
beforeAll(async () => {
  const models = { source: await gapModel(), name: "gaps", context: { contextSize: 1024, sequences: 2 } };
  server = await createServer({ port: 0, models });
  await server.ready;
});
afterAll(() => server.close());

async function ask<T = unknown>(path: string, body: object): Promise<T> {
  const response = await post(server, path, body);
  const answer = await response.json();
  expect([response.status, answer]).toEqual([200, expect.anything()]);
  return answer as T;
}

interface Completion {
  choices: { text: string }[];
  usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } };
}

async function tokensOf(content: string): Promise<number[]> {
  return (await ask<{ tokens: number[] }>("/tokenize", { content, add_special: false })).tokens;
}

const greedy = { temperature: 0, max_tokens: 12, ignore_eos: true };

describe("suffix", () => {
  test("makes a prompt of prefix, suffix and middle, each behind its token", async () => {
    const tokens = [bos, fimPrefix, ...(await tokensOf(before)), fimSuffix, ...(await tokensOf(after)), fimMiddle];
    const byHand = await ask<Completion>("/v1/completions", { prompt: tokens, ...greedy });
    const filled = await ask<Completion>("/v1/completions", { prompt: before, suffix: after, ...greedy });
    expect(filled.usage.prompt_tokens).toBe(tokens.length);
    // All but the last token, which is evaluated for its own sake, are what the cache has of the other prompt.
    expect(filled.usage.prompt_tokens_details.cached_tokens).toBe(tokens.length - 1);
    expect(filled.choices[0]!.text).toBe(byHand.choices[0]!.text);
    const plain = await ask<Completion>("/v1/completions", { prompt: before, ...greedy });
    expect(plain.choices[0]!.text).not.toBe(filled.choices[0]!.text);
  });

  test.each([
    ["no text before the gap", "", after],
    ["no text behind it", before, ""],
  ])("works with %s", async (_, prompt, suffix) => {
    const texts = [prompt, suffix].filter((text) => text !== "");
    const length = (await Promise.all(texts.map(tokensOf))).flat().length;
    const { usage } = await ask<Completion>("/v1/completions", { prompt, suffix, ...greedy });
    expect(usage.prompt_tokens).toBe(4 + length);
  });

  test("streams the same text", async () => {
    const body = { prompt: before, suffix: after, ...greedy };
    const whole = await ask<Completion>("/v1/completions", body);
    const events = eventsOf(await (await post(server, "/v1/completions", { ...body, stream: true })).text());
    const text = events.map((event) => (event as Completion).choices[0]!.text).join("");
    expect(text).toBe(whole.choices[0]!.text);
  });

  test("is refused beside echo, and beside more than one text", async () => {
    for (const [more, param] of [
      [{ echo: true }, "echo"],
      [{ prompt: [before, before] }, "suffix"],
    ] as const) {
      const response = await post(server, "/v1/completions", { prompt: before, suffix: after, ...more });
      expect([response.status, await response.json()]).toEqual([400, { error: expect.objectContaining({ param }) }]);
    }
  });
});

describe("Ollama's suffix", () => {
  test("fills the same gap, and the model says that it can", async () => {
    const whole = await ask<Completion>("/v1/completions", { prompt: before, suffix: after, ...greedy, max_tokens: 4 });
    const options = { temperature: 0, num_predict: 4 };
    const body = { model: "gaps", prompt: before, suffix: after, stream: false, options };
    const { response, prompt_eval_count: promptTokens } = await ask<{ response: string; prompt_eval_count: number }>(
      "/api/generate",
      body,
    );
    expect([response, promptTokens]).toEqual([whole.choices[0]!.text, whole.usage.prompt_tokens]);
    const shown = await ask<{ capabilities: string[] }>("/api/show", { model: "gaps" });
    expect(shown.capabilities).toContain("insert");
  });
});
