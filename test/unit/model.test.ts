import { describe, expect, it, vi } from "vitest";

import { DisposedError } from "../../src/errors.js";
import { readLoadOptions } from "../../src/model/load-options.js";
import { Model } from "../../src/model/model.js";
import type { ModelHandle } from "../../src/native/contract.js";
import { addonError, FakeAddon } from "./fake-addon.js";
import { fakeModel, settle } from "./fake-model.js";

describe("loading", () => {
  const load = (addon: FakeAddon, options: object): Promise<Model> =>
    Model.load(addon, "/m.gguf", readLoadOptions(options));

  it("passes progress on", async () => {
    const addon = new FakeAddon();
    const onProgress = vi.fn();
    const loading = load(addon, { onProgress });
    addon.loads[0]!.options.onProgress?.(0.5);
    addon.loads[0]!.resolve({} as ModelHandle);
    expect((await loading).info).toMatchObject({ architecture: "fake", vocabularyOnly: false });
    expect(onProgress).toHaveBeenCalledWith(0.5);
  });

  it("starts nothing with an aborted signal", async () => {
    const addon = new FakeAddon();
    const reason = new Error("changed my mind");
    await expect(load(addon, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(addon.loads).toHaveLength(0);
  });

  it("rejects with the reason of a signal aborted meanwhile", async () => {
    const addon = new FakeAddon();
    const controller = new AbortController();
    const loading = load(addon, { signal: controller.signal });
    controller.abort("stop");
    await expect(loading).rejects.toBe("stop");
  });

  it("frees a model that was loaded just before the cancel arrived", async () => {
    const addon = new FakeAddon();
    const controller = new AbortController();
    const loading = load(addon, { signal: controller.signal });
    addon.loads[0]!.resolve({} as ModelHandle);
    controller.abort("stop");
    await expect(loading).rejects.toBe("stop");
    expect(addon.modelsFreed).toBe(1);
  });

  it("ends with what onProgress throws", async () => {
    const addon = new FakeAddon();
    const failure = new Error("in the callback");
    const loading = load(addon, {
      onProgress: () => {
        throw failure;
      },
    });
    addon.loads[0]!.options.onProgress?.(0.1);
    await expect(loading).rejects.toBe(failure);
  });

  it("rejects with the addon's errors", async () => {
    const addon = new FakeAddon();
    const loading = load(addon, {});
    addon.loads[0]!.reject(addonError("MODEL_FORMAT", "not a GGUF file", { path: "/m.gguf" }));
    await expect(loading).rejects.toMatchObject({
      name: "LlamaError",
      code: "MODEL_FORMAT",
      details: { path: "/m.gguf" },
    });
  });
});

describe("dispose", () => {
  it("ends contexts first, then frees the weights, once", async () => {
    const { model, addon } = fakeModel();
    await model.createContext();
    await model.embed("x");
    await Promise.all([model.dispose(), model.dispose()]);
    await model.dispose();
    expect(addon.calls.slice(-3)).toEqual(["contextDispose", "contextDispose", "modelFree"]);
    expect(addon.modelsFreed).toBe(1);
  });

  it("is what `await using` calls", async () => {
    const { model, addon } = fakeModel();
    await model[Symbol.asyncDispose]();
    expect(addon.modelsFreed).toBe(1);
  });

  it("waits for a context that is just being made, which is then refused", async () => {
    const { model, addon } = fakeModel();
    let release!: () => void;
    addon.holdContextCreate = new Promise((resolve) => (release = resolve));
    const creating = model.createContext();
    const disposal = model.dispose();
    await settle();
    expect(addon.modelsFreed).toBe(0);
    release();
    await expect(creating).rejects.toThrow(DisposedError);
    await disposal;
    expect(addon.context.disposed).toBe(true);
    expect(addon.calls.at(-1)).toBe("modelFree");
  });

  it("ends a context whose making has just come to its end", async () => {
    for (let turns = 0; turns < 8; turns++) {
      const { model, addon } = fakeModel();
      let release!: () => void;
      addon.holdContextCreate = new Promise((resolve) => (release = resolve));
      model.createContext().catch(() => undefined);
      await settle();
      release();
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      await model.dispose();
      expect(addon.context.disposed, `${turns} turns later`).toBe(true);
    }
  });

  it("makes every later use a DisposedError", async () => {
    const { model } = fakeModel();
    const template = model.chatTemplate;
    const { tokenizer } = model;
    const chat = model.createChat();
    const context = await model.createContext();
    const sequence = await context.sequence();
    await model.dispose();
    expect(model.disposed).toBe(true);
    const uses: (() => unknown)[] = [
      () => tokenizer.encode("x"),
      () => tokenizer.decode([5]),
      () => tokenizer.tokenText(5),
      () => tokenizer.piece(5),
      () => template.render([{ role: "user", content: "x" }]),
      () => model.chatTemplate,
      () => model.createChatTemplate("chatml"),
      () => model.createChat(),
      () => context.generate({ prompt: "x" }),
      () => context.createChat(),
      () => context.stats(),
      () => chat.send("x"),
      () => chat.fork(),
    ];
    for (const use of uses) expect(use, use.toString()).toThrow(DisposedError);
    const asyncUses: (() => Promise<unknown>)[] = [
      () => tokenizer.encodeAsync("x"),
      () => tokenizer.decodeAsync([5]),
      () => template.applyAsync([{ role: "user", content: "x" }]),
      () => model.createContext(),
      () => model.embed("x"),
      () => context.sequence(),
      () => sequence.evaluate([5]),
      () => sequence.fork(),
      () => sequence.save(),
    ];
    for (const use of asyncUses) await expect(use(), use.toString()).rejects.toThrow(DisposedError);
    await Promise.all([context.dispose(), chat.dispose(), sequence.dispose()]);
  });
});

describe("embed", () => {
  it("returns one vector for a text and a list for a list, of length 1 unless told otherwise", async () => {
    const { model } = fakeModel();
    expect(await model.embed("a")).toEqual(Float32Array.of(0.6, 0.8, 0, 0));
    expect(await model.embed(["a", "b"], { normalize: false })).toEqual([
      Float32Array.of(3, 4, 0, 0),
      Float32Array.of(3, 4, 0, 0),
    ]);
    expect(await model.embed([])).toEqual([]);
  });

  it("takes tokens, as they are when it is called", async () => {
    const { model, addon } = fakeModel();
    const tokens = Int32Array.of(1, 5);
    const made = model.embed([tokens]);
    await settle();
    tokens.fill(7);
    expect(await made).toEqual([Float32Array.of(0.6, 0.8, 0, 0)]);
    expect(addon.embedded.at(-1)).toEqual([Int32Array.of(1, 5)]);
    await expect(model.embed([Int32Array.of(-1)])).rejects.toThrow("for texts[0][0] but received -1");
  });

  it("computes nothing for those who have left while others had their turn", async () => {
    const { model, addon } = fakeModel();
    const stop = new AbortController();
    const first = model.embed("a");
    const left = model.embed("b", { signal: stop.signal });
    stop.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    await first;
    expect(addon.embedded).toHaveLength(1);
  });

  it("keeps no large context when nobody waits for it", async () => {
    const { model, addon } = fakeModel();
    await model.embed("x".repeat(4000));
    await vi.waitFor(() => expect(addon.contexts.at(-1)?.disposed).toBe(true));
    await model.embed("a");
    expect(addon.contexts.at(-1)?.params.contextSize).toBe(512);
  });

  it("keeps one context for each pooling and makes a larger one for a longer text", async () => {
    const { model, addon } = fakeModel();
    await Promise.all([model.embed("a"), model.embed("b"), model.embed("c", { pooling: "last" })]);
    expect(addon.contexts.map(({ params }) => [params.pooling, params.contextSize])).toEqual([
      ["mean", 512],
      ["last", 512],
    ]);
    await model.embed("x".repeat(600));
    expect(addon.context.params).toMatchObject({ contextSize: 1024, microBatchSize: 1024, embeddings: true });
    expect(addon.contexts[0]!.disposed).toBe(true);
  });

  it("takes the model's own pooling where it has one", async () => {
    const { model, addon } = fakeModel({ info: { metadata: { "fake.pooling_type": "2" } } });
    await model.embed("a");
    expect(addon.context.params.pooling).toBe("default");
  });

  it("refuses what does not fit or is no text", async () => {
    const { model } = fakeModel();
    await expect(model.embed("x".repeat(9000))).rejects.toMatchObject({
      code: "CONTEXT_OVERFLOW",
      details: { promptTokens: 9001, contextSize: 8192 },
    });
    await expect(model.embed([1] as never)).rejects.toThrow("Expected a string for texts[0] but received 1");
    await expect(model.embed(null as never)).rejects.toThrow("for texts but received null");
    await expect(model.embed("x", { pooling: "max" } as never)).rejects.toThrow("for pooling but received");
  });
});

it("refuses to run with a vocabulary alone", async () => {
  const addon = new FakeAddon();
  const core = new Model(addon, {} as ModelHandle, "/m.gguf", true);
  const { LlamaModel } = await import("../../src/llama-model.js");
  const model = new LlamaModel(core);
  await expect(model.createContext()).rejects.toThrow("loaded with vocabularyOnly");
  await expect(model.embed("x")).rejects.toThrow("loaded with vocabularyOnly");
  expect(() => model.createChat()).toThrow("loaded with vocabularyOnly");
  expect(model.tokenizer.encode("x")).toHaveLength(1);
});
