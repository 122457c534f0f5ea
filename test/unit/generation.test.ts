import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { DisposedError, LlamaError } from "../../src/errors.js";
import type { GenerateOptions } from "../../src/index.js";
import type { LlamaContext } from "../../src/llama-context.js";
import type { FakeRequest } from "./fake-addon.js";
import type { FakeSetup } from "./fake-model.js";
import { collect, fakeModel, settle } from "./fake-model.js";

let setup: FakeSetup;
let context: LlamaContext;
const unhandled = vi.fn();

beforeEach(async () => {
  setup = fakeModel();
  context = await setup.model.createContext();
  unhandled.mockClear();
  process.on("unhandledRejection", unhandled);
});
afterEach(async () => {
  await settle();
  process.off("unhandledRejection", unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

const generate = (options: Partial<GenerateOptions> = {}): ReturnType<LlamaContext["generate"]> =>
  context.generate({ prompt: "Hi", ...options } as GenerateOptions);

async function request(): Promise<FakeRequest> {
  await settle();
  return setup.addon.context.last;
}

describe("awaiting", () => {
  it("gives the result", async () => {
    const generation = generate({ seed: 7 });
    const running = await request();
    running.emit({ promptProcessed: 3 });
    running.piece("Hel");
    running.piece("lo");
    running.end({ reason: "stop", stopToken: 2 });
    expect(await generation).toEqual({
      text: "Hello",
      finishReason: "stop",
      stopString: null,
      stopToken: 2,
      tokens: setup.model.tokenizer.encode("Hello"),
      usage: {
        promptTokens: 3,
        cachedTokens: 0,
        completionTokens: 5,
        thinkingTokens: 0,
        totalTokens: 8,
        draftedTokens: 0,
        acceptedTokens: 0,
      },
      timings: {
        queueMs: 1,
        firstTokenMs: 12,
        promptMs: 10,
        generationMs: 40,
        totalMs: 50,
        promptTokensPerSecond: 300,
        tokensPerSecond: 125,
      },
      seed: 7,
      contextShifts: 0,
    });
  });

  it("rejects with an error of the engine, which points at the caller", async () => {
    function theCaller(): ReturnType<typeof generate> {
      return generate();
    }
    const generation = theCaller();
    const error = { code: "GRAMMAR", message: "no rule root", details: { line: 1 }, log: "log" };
    (await request()).end({ reason: "error", error });
    const failure: unknown = await generation.catch((reason: unknown) => reason);
    expect(failure).toBeInstanceOf(LlamaError);
    expect(failure).toMatchObject({ code: "GRAMMAR", details: { line: 1 } });
    expect((failure as Error).stack).toContain("theCaller");
  });

  it("rejects with what the engine refuses", async () => {
    const small = await setup.model.createContext({ contextSize: 2 });
    await expect(small.generate({ prompt: "Hi" })).rejects.toMatchObject({
      code: "CONTEXT_OVERFLOW",
      details: { promptTokens: 3, contextSize: 2 },
    });
  });

  it("has catch and finally, as a promise", async () => {
    const generation = generate();
    (await request()).end({ reason: "error", error: { code: "DECODE", message: "x", details: {}, log: null } });
    const onFinally = vi.fn();
    expect(await generation.finally(onFinally).catch(() => "caught")).toBe("caught");
    expect(onFinally).toHaveBeenCalledOnce();
  });

  it("leaves no unhandled rejection where nobody awaits", async () => {
    generate();
    (await request()).end({ reason: "error", error: { code: "DECODE", message: "x", details: {}, log: null } });
    await settle();
  });
});

describe("iterating", () => {
  it("gives text pieces, none of them empty, to any number of readers", async () => {
    const generation = generate();
    const first = collect(generation);
    const running = await request();
    running.piece("a");
    running.emit({ text: "", tokens: [50] });
    running.emit({ text: "bc", tokens: [51] });
    running.end();
    expect(await first).toEqual(["a", "bc"]);
    expect(await collect(generation)).toEqual(["a", "bc"]);
    expect((await generation).text).toBe("abc");
  });

  it("includes text that comes with the end", async () => {
    const generation = generate();
    const running = await request();
    running.piece("a");
    const end = running.event({ text: "held back" });
    running.emit(end);
    running.end();
    expect(await collect(generation)).toEqual(["a", "held back"]);
  });

  it.each(["break", "throw"])("cancels on %s; awaiting then gives what there is", async (how) => {
    const generation = generate();
    const running = await request();
    running.piece("a");
    running.piece("b");
    const loop = async (): Promise<void> => {
      for await (const text of generation) {
        expect(text).toBe("a");
        if (how === "break") break;
        throw new Error("out of the loop");
      }
    };
    if (how === "break") await loop();
    else await expect(loop()).rejects.toThrow("out of the loop");
    expect(running.cancelled).toBe(true);
    expect(await generation).toMatchObject({ text: "ab", finishReason: "cancelled" });
  });

  it("throws the error after the pieces before it", async () => {
    const generation = generate();
    const running = await request();
    running.piece("a");
    running.end({ reason: "error", error: { code: "DECODE", message: "broken", details: {}, log: null } });
    const seen: string[] = [];
    const loop = async (): Promise<void> => {
      for await (const text of generation) seen.push(text);
    };
    await expect(loop()).rejects.toThrow("broken");
    expect(seen).toEqual(["a"]);
  });

  it("gives tokens with their own text, and log-probabilities where asked for", async () => {
    const plain = generate();
    (await request()).piece("ab");
    setup.addon.context.last.end();
    expect(await collect(plain.tokens())).toEqual([
      { token: 102, text: "a" },
      { token: 103, text: "b" },
    ]);

    const generation = generate({ logprobs: 1 });
    const running = await request();
    expect(running.native.logprobs).toBe(1);
    const bytes = Buffer.from("a");
    running.emit({
      text: "a",
      tokens: [102],
      logprobs: [{ token: 102, logprob: -0.5, bytes, top: [{ token: 103, logprob: -1, bytes: Uint8Array.of(0xf0) }] }],
    });
    running.end();
    const logprob = {
      token: 102,
      text: "a",
      bytes,
      logprob: -0.5,
      top: [{ token: 103, text: "\ufffd", bytes: Uint8Array.of(0xf0), logprob: -1 }],
    };
    expect(await collect(generation.tokens())).toEqual([{ token: 102, text: "a", logprob }]);
    expect((await generation).logprobs).toEqual([logprob]);
  });

  it("gives all events, the result last", async () => {
    const generation = generate();
    const running = await request();
    running.emit({ promptProcessed: 2 });
    running.emit({ promptProcessed: 2 });
    running.emit({ promptProcessed: 3, text: "a", tokens: [102] });
    running.end();
    expect(await collect(generation.events())).toEqual([
      { type: "prompt", processedTokens: 2, promptTokens: 3 },
      { type: "piece", text: "a", tokens: [102] },
      { type: "end", result: await generation },
    ]);
  });
});

describe("onToken", () => {
  it("is called with each piece", async () => {
    const onToken = vi.fn();
    const generation = generate({ onToken });
    const running = await request();
    running.piece("a");
    running.piece("b");
    running.end();
    await generation;
    expect(onToken.mock.calls).toEqual([[{ text: "a", tokens: [102] }], [{ text: "b", tokens: [103] }]]);
  });

  it("ends the request with what it throws", async () => {
    const failure = new Error("in the callback");
    const generation = generate({
      onToken: () => {
        throw failure;
      },
    });
    const running = await request();
    running.piece("a");
    running.piece("b");
    expect(running.cancelled).toBe(true);
    await expect(generation).rejects.toBe(failure);
  });
});

describe("cancelling", () => {
  it("by cancel() resolves with what there is", async () => {
    const generation = generate();
    (await request()).piece("a");
    generation.cancel();
    generation.cancel();
    expect(await generation).toMatchObject({ text: "a", finishReason: "cancelled" });
  });

  it("before the prompt is ready submits nothing", async () => {
    const generation = generate({ prompt: "x".repeat(5000) });
    generation.cancel();
    expect(await generation).toMatchObject({ text: "", finishReason: "cancelled", usage: { totalTokens: 0 } });
    await settle();
    expect(setup.addon.context.requests).toHaveLength(0);
  });

  it("by signal rejects with the signal's reason, at once", async () => {
    const controller = new AbortController();
    const generation = generate({ signal: controller.signal });
    const running = await request();
    running.piece("a");
    controller.abort();
    await expect(generation).rejects.toBe(controller.signal.reason);
    expect(running.cancelled).toBe(true);
    await settle(); // the engine's end event comes late and changes nothing
    const reader = generation[Symbol.asyncIterator]();
    expect(await reader.next()).toEqual({ done: false, value: "a" });
    await expect(reader.next()).rejects.toBe(controller.signal.reason);
  });

  it("leaves the stack of the signal's reason alone", async () => {
    const reason = new Error("mine");
    const { stack } = reason;
    await expect(generate({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(reason.stack).toBe(stack);
    await settle();
    expect(setup.addon.context.requests).toHaveLength(0);
  });

  it("stops listening to the signal at the end", async () => {
    const controller = new AbortController();
    const remove = vi.spyOn(controller.signal, "removeEventListener");
    const generation = generate({ signal: controller.signal });
    (await request()).end();
    await generation;
    expect(remove).toHaveBeenCalledOnce();
    controller.abort();
    expect((await generation).finishReason).toBe("stop");
  });

  it("does nothing after the end", async () => {
    const generation = generate();
    const running = await request();
    running.end();
    await generation;
    generation.cancel();
    for await (const text of generation) expect.unreachable(text);
    expect(running.cancelled).toBe(false);
  });

  it("by disposing the context rejects, whether running or not yet submitted", async () => {
    const running = generate();
    await request();
    const preparing = generate({ prompt: "x".repeat(5000) });
    await context.dispose();
    await expect(running).rejects.toThrow(DisposedError);
    await expect(preparing).rejects.toThrow(DisposedError);
    expect(() => generate()).toThrow(DisposedError);
  });
});

describe("timeout", () => {
  afterEach(() => void vi.useRealTimers());

  it("goes to the engine with the time that is gone", async () => {
    generate({ timeout: 5000 });
    const { native } = await request();
    expect(native.timeoutMs).toBe(5000);
    expect(native.elapsedMs).toBeGreaterThan(0);
    expect(native.elapsedMs).toBeLessThan(5000);
  });

  it("rejects with the text so far, which its readers have got", async () => {
    const generation = generate({ timeout: 5000 });
    const running = await request();
    running.piece("Hel");
    const details = { timeoutMs: 5000, queueMs: 1, promptTokens: 3, processedTokens: 3, generatedTokens: 5 };
    const error = { code: "TIMEOUT", message: "too late", details, log: null };
    running.emit({ text: "lo", tokens: [50] });
    running.end({ reason: "error", error });
    const failure: unknown = await generation.catch((reason: unknown) => reason);
    expect(failure).toBeInstanceOf(LlamaError);
    expect(failure).toMatchObject({ code: "TIMEOUT", message: "too late", details: { ...details, text: "Hello" } });
    const reader = generation[Symbol.asyncIterator]();
    expect(await reader.next()).toEqual({ done: false, value: "Hel" });
    expect(await reader.next()).toEqual({ done: false, value: "lo" });
    await expect(reader.next()).rejects.toBe(failure);
  });

  it("counts while the context is still being made, and then submits nothing", async () => {
    let release!: () => void;
    setup.addon.holdContextCreate = new Promise((resolve) => (release = resolve));
    const chat = setup.model.createChat();
    const contexts = setup.addon.contexts.length;
    const failure: unknown = await chat.send("Hello", { timeout: 20 }).catch((reason: unknown) => reason);
    expect(failure).toMatchObject({
      code: "TIMEOUT",
      message: "The request did not end within its timeout of 20 ms; it was not ready to be started",
      details: { timeoutMs: 20, queueMs: 20, promptTokens: 0, processedTokens: 0, generatedTokens: 0, text: "" },
    });
    expect((failure as Error).stack).toContain("generation.test");
    expect(chat.busy).toBe(false);
    release();
    await settle();
    expect(setup.addon.contexts[contexts]?.requests).toEqual([]);
  });

  it("leaves no timer once the engine has the request, or it has ended before", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const generation = generate({ timeout: 5000 });
    expect(vi.getTimerCount()).toBe(1);
    const running = await request();
    expect(vi.getTimerCount()).toBe(0);
    running.end();
    expect((await generation).finishReason).toBe("stop");
    generate({ timeout: 5000, signal: AbortSignal.abort() });
    generate({ timeout: 5000 }).cancel();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("many requests", () => {
  it("get their own events out of a common packet", async () => {
    const generations = [generate(), generate(), generate()];
    await settle();
    const { requests } = setup.addon.context;
    setup.addon.context.send(requests.map((running, index) => running.event({ text: `text ${index}`, tokens: [102] })));
    for (const running of requests.toReversed()) running.end();
    const texts = await Promise.all(generations.map(async (generation) => (await generation).text));
    expect(texts).toEqual(["text 0", "text 1", "text 2"]);
  });
});

describe("prompts", () => {
  it("are tokenized with what the vocabulary adds and control tokens parsed", async () => {
    generate({ prompt: "</s>" });
    expect([...(await request()).native.tokens]).toEqual([1, 2]);
    generate({ prompt: "</s>", addSpecial: false, parseSpecial: false });
    expect([...(await request()).native.tokens]).toHaveLength(4);
  });

  it("may be tokens, which are copied", async () => {
    const tokens = Int32Array.of(5, 6);
    generate({ prompt: undefined, tokens });
    tokens.fill(9);
    expect([...(await request()).native.tokens]).toEqual([5, 6]);
  });

  it("may be messages", async () => {
    generate({ prompt: undefined, messages: [{ role: "user", content: "Hi" }] });
    const text = setup.model.chatTemplate.render([{ role: "user", content: "Hi" }]);
    expect([...(await request()).native.tokens]).toEqual([1, ...setup.addon.encode(text, true)]);
  });

  it("of messages own the space behind them where the format has one", async () => {
    const pieces = ["", " ", " Hel", "lo"];
    const answer = async (options: object): Promise<string[]> => {
      const spm = fakeModel({ spacePrefix: true, chatTemplate: "mistral" });
      const generation = (await spm.model.createContext()).generate(options as GenerateOptions);
      await settle();
      const running = spm.addon.context.last;
      for (const text of pieces) running.emit({ text, tokens: [50] });
      running.end();
      expect((await generation).tokens).toHaveLength(4);
      return collect(generation);
    };
    const messages = [{ role: "user", content: "Hi" }];
    expect(await answer({ messages })).toEqual([" Hel", "lo"]);
    expect(await answer({ messages: [...messages, { role: "assistant", content: "So" }] })).toEqual([
      " ",
      " Hel",
      "lo",
    ]);
    expect(await answer({ prompt: "[INST] Hi [/INST]" })).toEqual([" ", " Hel", "lo"]);
  });

  it.each([
    [{ prompt: undefined }, "Expected exactly one of prompt, messages and tokens for generate but received undefined"],
    [{ tokens: [1] }, 'Expected exactly one of prompt, messages and tokens for generate but received "prompt, tokens"'],
    [{ prompt: 5 }, "Expected a string for prompt but received 5"],
    [{ prompt: undefined, tokens: [] }, "Expected at least one token for tokens"],
    [{ prompt: undefined, tokens: [5, -1] }, "for tokens[1] but received -1"],
    [{ prompt: undefined, messages: [] }, "Expected a non-empty array of messages for messages"],
    [{ prompt: undefined, messages: [{ role: "bot", content: "" }] }, 'for messages[0].role but received "bot"'],
    [{ tools: [] }, 'for an option name of generate with prompt but received "tools"'],
    [{ prompt: undefined, messages: [{ role: "user", content: "x" }], template: "broken" }, "cannot be parsed"],
    [{ signal: "now" }, "Expected an AbortSignal for signal"],
    [{ timeout: 0 }, "Expected a number from 1 to 2147483647 for timeout but received 0"],
    [{ timeout: -5 }, "for timeout but received -5"],
    [{ timeout: NaN }, "for timeout but received NaN"],
    [{ timeout: Infinity }, "for timeout but received Infinity"],
    [{ timeout: "1s" }, 'for timeout but received "1s"'],
  ])("and options are refused at once: %o", async (options, message) => {
    expect(() => generate(options as never)).toThrow(message);
    await settle();
    expect(setup.addon.context.requests).toHaveLength(0);
  });

  it("of no tokens at all are refused", async () => {
    await expect(generate({ prompt: "", addSpecial: false })).rejects.toThrow(
      'Expected a text of at least one token for prompt but received ""',
    );
  });
});
