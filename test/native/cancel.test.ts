import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { LlamaContext, LlamaModel } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { model125m, smollm2 } from "../support/models.js";

let model: LlamaModel;
let context: LlamaContext;

beforeAll(async () => {
  model = await loadModel(await smollm2());
  context = await model.createContext({ contextSize: 4096, sequences: 2 });
});

afterAll(async () => {
  await model.dispose();
});

const endless = { temperature: 0, ignoreEos: true, maxTokens: 2000 } as const;

describe("cancelling", () => {
  test("an aborted signal rejects with its own reason, before and while loading", async () => {
    const reason = new Error("changed my mind");
    await expect(loadModel(model.path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const loading = loadModel(await model125m(), {
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(loading).rejects.toBe(reason);
  });

  test("before it starts", async () => {
    const reason = new Error("no");
    await expect(context.generate({ prompt: "Hello", ...endless, signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
  });

  test("with its context, which waits for the compute threads that another has", async () => {
    const [busy, waiting] = await Promise.all([1, 2].map(() => model.createContext({ contextSize: 4096 })));
    const tokens = Int32Array.from({ length: 3000 }, (_, index) => 1000 + (index % 500));
    const started = performance.now();
    const long = busy!.generate({ tokens, ...endless });
    const firstBatch = (async () => {
      for await (const _ of long.events()) return performance.now() - started;
    })();
    await new Promise((resolve) => setTimeout(resolve, 50)); // it has the threads now
    const doomed = waiting!.generate({ prompt: "Hello", ...endless });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await waiting!.dispose();
    const disposed = performance.now() - started;
    await expect(doomed).rejects.toMatchObject({ code: "DISPOSED" });
    expect(disposed).toBeLessThan((await firstBatch)! / 2);
    await busy!.dispose();
  });

  test("while it waits in the queue, without a word to those that run", async () => {
    const small = await model.createContext({ contextSize: 512, sequences: 1 });
    const running = small.generate({ prompt: "Count: 1, 2,", temperature: 0, ignoreEos: true, maxTokens: 40 });
    const controller = new AbortController();
    const waiting = small.generate({ prompt: "Hello", ...endless, maxTokens: 100, signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
    expect((await running).tokens.length).toBe(40);
    await small.dispose();
  });

  test("in the middle of a long prompt, soon, while the others keep every token", async () => {
    const expected = await context.generate({
      prompt: "Count: 1, 2, 3,",
      temperature: 0,
      ignoreEos: true,
      maxTokens: 60,
    });
    const controller = new AbortController();
    const other = context.generate({
      prompt: "Count: 1, 2, 3,",
      temperature: 0,
      ignoreEos: true,
      maxTokens: 60,
      cachePrompt: false,
    });
    const long = context.generate({
      tokens: Int32Array.from({ length: 3500 }, (_, i) => 1000 + ((i * 7919) % 40000)),
      ...endless,
      maxTokens: 100,
      signal: controller.signal,
    });
    for await (const event of long.events()) {
      if (event.type === "prompt" && event.processedTokens > 0) break;
    }
    controller.abort();
    // Leaving the loop cancels too; whichever comes first, the request ends.
    await Promise.allSettled([long]);
    expect((await other).text).toBe(expected.text);
    expect(context.stats().running).toBe(0);
  });

  test("leaving the loop ends it with what was there", async () => {
    const generation = context.generate({ prompt: "Count: 1, 2,", ...endless });
    let seen = "";
    for await (const text of generation) {
      seen += text;
      if (seen.length > 10) break;
    }
    const result = await generation;
    expect(result.finishReason).toBe("cancelled");
    expect(result.text.startsWith(seen)).toBe(true);
    expect(result.tokens.length).toBeLessThan(200);
  });

  test("disposing the context rejects what runs and what waits", async () => {
    const doomed = await model.createContext({ contextSize: 512, sequences: 1 });
    const generations = [1, 2, 3].map(() => doomed.generate({ prompt: "Hello", ...endless, maxTokens: 400 }));
    const settled = Promise.allSettled(generations);
    await doomed.dispose();
    for (const outcome of await settled) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "DISPOSED" } });
    }
  });

  test("at any moment of a generation the engine stays sound", async () => {
    for (let delay = 0; delay < 60; delay += 4) {
      const generation = context.generate({
        prompt: "Count: 1, 2,".repeat(10),
        ...endless,
        cachePrompt: delay % 8 === 0,
      });
      setTimeout(() => generation.cancel(), delay);
      expect((await generation).finishReason).toBe("cancelled");
    }
    expect(context.stats()).toMatchObject({ running: 0, waiting: 0 });
    const { text } = await context.generate({ prompt: "1, 2, 3,", temperature: 0, maxTokens: 3 });
    expect(text).toContain("4");
  });
});

describe("after dispose", () => {
  test("every use is DISPOSED, and disposing again is nothing", async () => {
    const own = await loadModel(model.path);
    const ownContext = await own.createContext({ contextSize: 256 });
    const sequence = await ownContext.sequence();
    const chat = ownContext.createChat();
    await own.dispose();
    await own.dispose();
    await ownContext.dispose();
    await sequence.dispose();
    await chat.dispose();
    const disposed = expect.objectContaining({ code: "DISPOSED" }) as unknown;
    const uses: (() => unknown)[] = [
      () => own.createContext(),
      () => own.createChat(),
      () => own.embed("x"),
      () => own.tokenizer.encode("x"),
      () => own.tokenizer.decode([1]),
      () => own.chatTemplate.render([{ role: "user", content: "x" }]),
      () => ownContext.generate({ prompt: "x" }),
      () => ownContext.sequence(),
      () => ownContext.stats(),
      () => sequence.evaluate([1]),
      () => sequence.fork(),
      () => chat.send("x"),
    ];
    for (const use of uses) {
      await expect((async () => use())(), use.toString()).rejects.toEqual(disposed);
    }
  });
});
