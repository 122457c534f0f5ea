import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Generation, LlamaContext, LlamaError, LlamaModel } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { smollm2 } from "../support/models.js";

let model: LlamaModel;
let context: LlamaContext;

beforeAll(async () => {
  model = await loadModel(await smollm2());
  context = await model.createContext({ contextSize: 8192, sequences: 2 });
});

afterAll(async () => {
  await model.dispose();
});

const greedy = { temperature: 0, ignoreEos: true, cachePrompt: false } as const;
const counting = { prompt: "Count: 1, 2, 3,", ...greedy, maxTokens: 20 };
const longTokens = (length: number): Int32Array => Int32Array.from({ length }, (_, i) => 1000 + ((i * 7919) % 40000));

async function failure(generation: Generation): Promise<LlamaError> {
  return generation.then(
    () => expect.fail("It should have reached its timeout"),
    (error: unknown) => error as LlamaError,
  );
}

describe("a request ends at its timeout", () => {
  test("in the queue, although the engine is in the middle of a long decode of another", async () => {
    const busy = await model.createContext({ contextSize: 1024, sequences: 1, batchSize: 768, microBatchSize: 768 });
    const long = { tokens: longTokens(768), ...greedy, maxTokens: 5 };
    const solo = await busy.generate(long);
    const running = busy.generate(long);
    let steps = 0;
    const reading = (async () => {
      for await (const event of running.events()) steps += Number(event.type === "prompt");
    })();
    const [first, second] = [busy.generate({ ...counting, timeout: 50 }), busy.generate({ ...counting, timeout: 100 })];
    const error = await failure(second);
    const stepsBefore = steps;
    expect(error).toMatchObject({
      name: "LlamaError",
      code: "TIMEOUT",
      message: "The request did not end within its timeout of 100 ms; it had to wait all the time",
      details: { timeoutMs: 100, processedTokens: 0, generatedTokens: 0, text: "" },
    });
    expect(error.details["queueMs"]).toBeGreaterThanOrEqual(100);
    expect((await failure(first)).details["timeoutMs"]).toBe(50);
    expect(stepsBefore, "the prompt takes one step, and it had not ended").toBe(0);
    expect(busy.stats().waiting).toBe(0);
    expect((await running).tokens).toEqual(solo.tokens);
    await reading;
    await busy.dispose();
  });

  test("in the middle of a long prompt, and the engine is free", async () => {
    const error = await failure(context.generate({ tokens: longTokens(8000), ...greedy, timeout: 400 }));
    expect(error).toMatchObject({
      code: "TIMEOUT",
      details: { timeoutMs: 400, promptTokens: 8000, generatedTokens: 0 },
    });
    expect(error.message).toMatch(
      /^The request did not end within its timeout of 400 ms; \d+ of its 8000 prompt tokens/,
    );
    expect(error.details["processedTokens"]).toBeLessThan(8000);
    expect(error.details["queueMs"]).toBeLessThan(400);
    expect((await context.generate(counting)).text).toContain("4, 5, 6");
    expect(context.stats()).toMatchObject({ running: 0, waiting: 0 });
  });

  test.each([30, 100, 250, 600])("beside others in its batch, which keep every token (%i ms)", async (timeout) => {
    const neighbour = { ...counting, prompt: `${"1, 2, 3, 4, 5, 6, 7, 8, 9. ".repeat(8)}1, 2,`, maxTokens: 20 };
    const solo = await context.generate(neighbour);
    const late = context.generate({ tokens: longTokens(4000), ...greedy, timeout });
    const other = context.generate(neighbour);
    expect((await failure(late)).code).toBe("TIMEOUT");
    const { text, tokens } = await other;
    expect(text).toBe(solo.text);
    expect(tokens).toEqual(solo.tokens);
  });

  test("while it generates, and nothing of its text is lost", async () => {
    const generation = context.generate({ ...counting, maxTokens: 4000, timeout: 3000 });
    let seen = "";
    let tokens = 0;
    const reading = (async () => {
      for await (const event of generation.events()) {
        if (event.type !== "piece") continue;
        seen += event.text;
        tokens += event.tokens.length;
      }
    })();
    const error = await failure(generation);
    await expect(reading).rejects.toBe(error);
    const { details } = error;
    expect(error.code).toBe("TIMEOUT");
    expect(details).toMatchObject({ text: seen, generatedTokens: tokens, processedTokens: details["promptTokens"] });
    expect(tokens).toBeGreaterThan(0);
    expect(error.message).toContain(`it had generated ${tokens} tokens`);
  });

  test("while its prompt is not even ready, or its context", async () => {
    const chat = model.createChat();
    const error = await failure(chat.send("Hello", { timeout: 1 }));
    expect(error).toMatchObject({ code: "TIMEOUT", details: { timeoutMs: 1, generatedTokens: 0 } });
    expect(chat.history).toEqual([]);
    expect(chat.busy).toBe(false);
    await chat.dispose();
  });

  test("while another context of the process computes", async () => {
    const other = await model.createContext({ contextSize: 1024, sequences: 1, batchSize: 768, microBatchSize: 768 });
    let steps = 0;
    const running = other.generate({ tokens: longTokens(768), ...greedy, maxTokens: 1 });
    const reading = (async () => {
      for await (const event of running.events()) steps += Number(event.type === "prompt");
    })();
    await new Promise((resolve) => setTimeout(resolve, 50)); // it has its turn by then
    expect((await failure(context.generate({ ...counting, timeout: 100 }))).code).toBe("TIMEOUT");
    expect(steps).toBe(0);
    await reading;
    await other.dispose();
  });
});

test("a timeout that is not reached changes nothing", async () => {
  const expected = await context.generate(counting);
  const result = await context.generate({ ...counting, timeout: 60_000 });
  expect(result.tokens).toEqual(expected.tokens);
  expect(result.finishReason).toBe("length");
});

test("many requests at once, each with its own timeout, leave the engine sound", async () => {
  const outcomes = await Promise.allSettled(
    Array.from({ length: 24 }, (_, i) => context.generate({ ...counting, cachePrompt: true, timeout: 20 + i * 50 })),
  );
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "TIMEOUT" });
    else expect(outcome.value.tokens).toHaveLength(20);
  }
  expect(outcomes[0]?.status).toBe("rejected");
  expect((await context.generate(counting)).text).toContain("4, 5, 6");
  expect(context.stats()).toMatchObject({ running: 0, waiting: 0 });
});
