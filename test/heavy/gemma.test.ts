import { afterAll, beforeAll, expect, test } from "vitest";

import type { LlamaContext, LlamaModel } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { gemma } from "../support/gemma.js";

let model: LlamaModel;
let context: LlamaContext;

beforeAll(async () => {
  model = await loadModel(await gemma());
  context = await model.createContext({ contextSize: 4096, sequences: 4 });
});

afterAll(async () => {
  await model.dispose();
});

/** Longer than the window of 512 tokens, and with an end that the model is sure of, so that no greedy choice hangs on the last bit. */
const passage =
  "The old lighthouse keeper walked down to the harbour every morning, counted the fishing boats twice, and wrote their " +
  "names in a blue notebook that he kept in the left pocket of his coat. ";
const long = passage.repeat(18);
const greedy = { temperature: 0, maxTokens: 32, ignoreEos: true } as const;

test("the model has a sliding window, and the prompt is longer", () => {
  expect(model.info).toMatchObject({ architecture: "gemma3", slidingWindow: 512 });
  expect(model.tokenizer.encode(long).length).toBeGreaterThan(600);
});

test("greedy answers with the cache are those without", async () => {
  const prompts = ["The old lighthouse keeper", "The old", "The old lighthouse keeper walked down to"].map(
    (end) => long + end,
  );
  const expected = [];
  for (const prompt of prompts) {
    const { text } = await context.generate({ ...greedy, prompt, cachePrompt: false });
    expect(long).toContain(text.trim().slice(0, 60)); // it goes on as the passage does
    expected.push(text);
  }
  for (const [i, prompt] of [...prompts, ...prompts].entries()) {
    const { text, usage } = await context.generate({ ...greedy, prompt });
    expect(text).toBe(expected[i % prompts.length]);
    if (i > 0) expect(usage.cachedTokens).toBeGreaterThan(600);
  }
  const together = await Promise.all(prompts.map((prompt) => context.generate({ ...greedy, prompt })));
  expect(together.map(({ text }) => text)).toEqual(expected);
});

test("a chat of three turns evaluates only what is new", async () => {
  const template =
    "{{ bos_token }}{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}" +
    "{% if add_generation_prompt %}assistant:{% endif %}";
  const chat = context.createChat({ system: long, template });
  let before = 0;
  for (const question of ["Who walked down to the harbour?", "What did he count?", "Where was the notebook?"]) {
    const { usage } = await chat.send(question, { ...greedy });
    const evaluated = usage.promptTokens - usage.cachedTokens;
    if (before > 0) expect(evaluated).toBeLessThan(40);
    expect(usage.cachedTokens).toBeGreaterThanOrEqual(before);
    before = usage.promptTokens;
  }
});
