import { describe, expect, it, vi } from "vitest";

import { DisposedError } from "../../src/errors.js";
import { fakeModel, settle } from "./fake-model.js";

describe("createContext", () => {
  it("has defaults", async () => {
    const { model, addon } = fakeModel();
    const context = await model.createContext();
    expect(addon.context.params).toEqual({
      contextSize: 4096,
      sequences: 4,
      batchSize: 512,
      microBatchSize: 128,
      threads: 0,
      batchThreads: 0,
      kvTypeK: "f16",
      kvTypeV: "f16",
      flashAttention: "auto",
      offloadKv: true,
      queueSize: 1024,
      packetIntervalMs: 25,
      ramCacheBytes: 0,
      ropeFrequencyBase: 0,
      ropeFrequencyScale: 0,
      embeddings: false,
      pooling: "default",
    });
    expect(context.info).toMatchObject({ contextSize: 4096, sequences: 4 });
    expect(context.model).toBe(model);
  });

  it("takes no more than the model's context by default", async () => {
    const { model, addon } = fakeModel({ info: { contextLength: 2048 } });
    await model.createContext();
    expect(addon.context.params.contextSize).toBe(2048);
    await model.createContext({ contextSize: 4096, batchSize: 64 });
    expect(addon.context.params).toMatchObject({ contextSize: 4096, batchSize: 64, microBatchSize: 64 });
  });

  it("reads types of the KV cache and flash attention", async () => {
    const { model, addon } = fakeModel();
    await model.createContext({ kvType: { k: "q8_0", v: "f16" }, flashAttention: false });
    expect(addon.context.params).toMatchObject({ kvTypeK: "q8_0", kvTypeV: "f16", flashAttention: "off" });
    await model.createContext({ kvType: "q4_0", flashAttention: true });
    expect(addon.context.params).toMatchObject({ kvTypeK: "q4_0", kvTypeV: "q4_0", flashAttention: "on" });
  });

  it.each([
    [{ contextSize: 0 }, "Expected an integer from 1 to 2147483647 for contextSize but received 0"],
    [{ sequences: 256 }, "Expected an integer from 1 to 255 for sequences but received 256"],
    [{ sequences: 64, batchSize: 32 }, "Expected at least sequences (64) for batchSize but received 32"],
    [{ batchSize: 64, microBatchSize: 128 }, "Expected at most batchSize (64) for microBatchSize but received 128"],
    [{ kvType: "q3_k" }, 'for kvType but received "q3_k"'],
    [{ kvType: { k: "f16" } }, "for kvType.v but received undefined"],
    [{ kvType: null }, "Expected an object for kvType but received null"],
    [{ kvType: "q8_0", flashAttention: "off" }, 'Expected "auto" or "on" with the kvType q8_0 for flashAttention'],
    [{ threads: -1 }, "for threads but received -1"],
    [{ contextsize: 5 }, '(did you mean "contextSize"?) for an option name of createContext'],
  ])("refuses %o", async (options, message) => {
    const { model, addon } = fakeModel();
    await expect(model.createContext(options as never)).rejects.toThrow(message);
    expect(addon.calls).toEqual([]);
  });

  it("is free of the model again where making it failed", async () => {
    const { model, addon } = fakeModel();
    addon.failContextCreate = Object.assign(new Error("no room"), { code: "INSUFFICIENT_MEMORY" });
    await expect(model.createContext()).rejects.toMatchObject({ code: "INSUFFICIENT_MEMORY" });
    await model.dispose();
    expect(addon.calls).toEqual(["contextCreate", "modelFree"]);
  });

  it("is disposed once, however often that is asked for", async () => {
    const { model, addon } = fakeModel();
    const context = await model.createContext();
    await Promise.all([context.dispose(), context[Symbol.asyncDispose]()]);
    expect(context.disposed).toBe(true);
    await model.dispose();
    expect(addon.calls.filter((call) => call === "contextDispose")).toHaveLength(1);
  });
});

describe("LlamaSequence", () => {
  it("evaluates in the order of the calls and keeps tokens and logits", async () => {
    const { model, addon } = fakeModel();
    const sequence = await (await model.createContext()).sequence();
    const given = Int32Array.of(10, 11);
    const first = sequence.evaluate(given);
    given.fill(0);
    const second = sequence.evaluate([12, 13], { logits: "all" });
    expect([...(await first)!]).toEqual([11]);
    expect([...(await second)!]).toEqual([12, 13]);
    expect([...sequence.logits!]).toEqual([12, 13]);
    expect(sequence).toHaveLength(4);
    expect([...sequence.tokens]).toEqual([10, 11, 12, 13]);
    expect(addon.calls.filter((call) => call.startsWith("evaluate"))).toEqual(["evaluate 10 11", "evaluate 12 13"]);
    expect(await sequence.evaluate([14], { logits: "none" })).toBeNull();
  });

  it("forks, truncates, saves and restores", async () => {
    const { model } = fakeModel();
    const sequence = await (await model.createContext()).sequence();
    const evaluated = sequence.evaluate([10, 11, 12]);
    const fork = await sequence.fork(); // waits for the evaluation
    await evaluated;
    await fork.truncate(1);
    expect([...fork.tokens]).toEqual([10]);
    expect(fork.logits).toBeNull();
    expect(sequence).toHaveLength(3);
    await fork.restore(await sequence.save());
    expect([...fork.tokens]).toEqual([10, 11, 12]);
    await expect(fork.truncate(4)).rejects.toThrow(
      "Expected at most the sequence's length (3) for length but received 4",
    );
  });

  it("goes on after a call that failed", async () => {
    const { model, addon } = fakeModel();
    const sequence = await (await model.createContext()).sequence();
    const failing = vi.spyOn(addon, "sequenceEvaluate");
    failing.mockRejectedValueOnce(Object.assign(new Error("no room"), { code: "CONTEXT_OVERFLOW" }));
    await expect(sequence.evaluate([10])).rejects.toMatchObject({ name: "LlamaError", code: "CONTEXT_OVERFLOW" });
    expect(sequence).toHaveLength(0);
    expect([...(await sequence.evaluate([11]))!]).toEqual([11]);
  });

  it.each([
    [[], undefined, "Expected at least one token for tokens"],
    [[-3], undefined, "for tokens[0] but received -3"],
    [[5], { logits: "first" }, 'for logits but received "first"'],
  ])("refuses %o, %o", async (tokens, options, message) => {
    const { model } = fakeModel();
    const sequence = await (await model.createContext()).sequence();
    await expect(sequence.evaluate(tokens, options as never)).rejects.toThrow(message);
  });

  it("gives its place back once, and nothing after its context is gone", async () => {
    const { model, addon } = fakeModel();
    const context = await model.createContext();
    const [one, two] = [await context.sequence(), await context.sequence()];
    const evaluating = one.evaluate([5]);
    await Promise.all([one.dispose(), one.dispose()]);
    await evaluating;
    await expect(one.evaluate([5])).rejects.toThrow("The sequence has been disposed");
    const waiting = two.evaluate([6]);
    await context.dispose();
    await expect(two.evaluate([6])).rejects.toThrow(DisposedError);
    await Promise.allSettled([waiting, settle()]);
    await two.dispose();
    expect(addon.calls.filter((call) => call === "sequenceDispose")).toHaveLength(1);
  });
});
