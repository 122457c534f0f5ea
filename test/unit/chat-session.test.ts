import { beforeEach, describe, expect, it } from "vitest";

import { DisposedError } from "../../src/errors.js";
import { ChatSession } from "../../src/index.js";
import type { FakeContext } from "./fake-addon.js";
import type { FakeSetup } from "./fake-model.js";
import { collect, fakeModel, settle } from "./fake-model.js";

let setup: FakeSetup;
let chat: ChatSession;

beforeEach(() => {
  setup = fakeModel();
  setup.addon.answer = () => "Hello!";
  chat = setup.model.createChat({ system: "Be brief." });
});

const context = (): FakeContext => setup.addon.context;
const prompts = (): string[] =>
  context().requests.map(({ native }) => setup.model.tokenizer.decode(native.tokens, { renderSpecial: true }));

describe("a conversation that has outgrown the context", () => {
  const turns = (prompt: string): string[] => [...prompt.matchAll(/user\n(\w+ \d+)/g)].map(([, text]) => text!);
  const last = (): string => prompts().at(-1)!;
  const open = (contextShift: boolean): ChatSession =>
    setup.model.createChat({ system: "Be brief.", context: { contextSize: 265 }, defaults: { contextShift } });

  it("is refused", async () => {
    const session = open(false);
    for (let turn = 1; turn < 8; turn++) await session.send(`Turn ${turn}`);
    await expect(session.send("Turn 8")).rejects.toMatchObject({ code: "CONTEXT_OVERFLOW" });
    expect(session.history).toHaveLength(14);
  });

  it("goes on without its oldest turns where the context may shift, and keeps them in its history", async () => {
    const session = open(true);
    for (let turn = 1; turn < 8; turn++) await session.send(`Turn ${turn}`);
    expect(turns(last())).toHaveLength(7);
    await session.send("Turn 8");
    expect(last()).toContain("system\nBe brief.");
    expect(context().last.native.tokens.length).toBeLessThan(265 / 2 + 20);
    const sent = turns(last());
    expect(sent.slice(-2)).toEqual(["Turn 7", "Turn 8"]);
    // What has gone stays away, so that the cache has what is sent.
    const fork = session.fork();
    await session.send("Turn 9");
    expect(turns(last())).toEqual([...sent, "Turn 9"]);
    await fork.send("Turn 10");
    expect(turns(last())).toEqual([...sent, "Turn 10"]);
    expect(session.history).toHaveLength(18);
    const restored = ChatSession.fromJSON(JSON.parse(JSON.stringify(session)), { model: setup.model });
    expect(restored.history).toEqual(session.history);
    session.reset();
    await session.send("Turn 11");
    expect(turns(last())).toEqual(["Turn 11"]);
  });

  it("is refused where the last message alone is too long, and stays as it was", async () => {
    const session = open(true);
    await session.send("Turn 1");
    await expect(session.send("Turn 2".repeat(100))).rejects.toMatchObject({ code: "CONTEXT_OVERFLOW" });
    await session.send("Turn 3");
    expect(turns(last())).toEqual(["Turn 1", "Turn 3"]);
  });

  it("keeps a call with its results", async () => {
    const session = open(true);
    const call = { id: "call_1", name: "look", arguments: {} };
    const long = "x".repeat(60);
    session.system = long;
    await session.send([
      { role: "user", content: long },
      { role: "assistant", content: long },
      { role: "user", content: "Look" },
    ]);
    const results = [
      { role: "assistant" as const, content: "", toolCalls: [call] },
      { role: "tool" as const, toolCallId: "call_1", content: "found" },
    ];
    await expect(session.send(results)).resolves.toBeDefined();
    expect(last()).not.toContain(`user\n${long}`);
    expect(last()).toContain("Look");
  });
});

describe("history", () => {
  it("grows by the message and its answer before the caller goes on", async () => {
    expect(chat.history).toEqual([]);
    const result = await chat.send("Hi");
    expect(result.text).toBe("Hello!");
    expect(chat.history).toEqual([
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello!" },
    ]);
    expect(chat.system).toBe("Be brief.");
  });

  it("is complete when the loop over an answer ends", async () => {
    expect((await collect(chat.send("Hi"))).join("")).toBe("Hello!");
    expect(chat.history).toHaveLength(2);
    expect(chat.busy).toBe(false);
  });

  it("is a copy", async () => {
    await chat.send("Hi");
    const { history } = chat;
    history.length = 0;
    expect(chat.history).toHaveLength(2);
  });

  it("is what the next prompt is made of, with the system text in front", async () => {
    await chat.send("Hi");
    chat.system = null;
    await chat.send([
      { role: "tool", content: "42" },
      { role: "user", content: "And?" },
    ]);
    expect(prompts()).toEqual([
      "<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
      "<s><|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n" +
        "<|im_start|>user\n42<|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n",
    ]);
  });

  it("keeps a cancelled answer as far as it came", async () => {
    for await (const _text of chat.send("Hi")) break;
    expect(chat.busy).toBe(false);
    const { history } = chat;
    expect(history).toHaveLength(2);
    expect("Hello!".startsWith(history[1]!.content as string)).toBe(true);
    expect(history[1]!.content).not.toBe("");
  });

  it("stays as it was where nothing came of an answer", async () => {
    setup.addon.answer = undefined;
    const generation = chat.send("Hi");
    await settle();
    generation.cancel();
    expect(await generation).toMatchObject({ text: "", finishReason: "cancelled" });
    expect(chat.history).toEqual([]);
  });

  it.each(["abort", "error", "aborted before"])("stays as it was after: %s", async (how) => {
    setup.addon.answer = undefined;
    const controller = new AbortController();
    if (how === "aborted before") controller.abort();
    const generation = chat.send("Hi", { signal: controller.signal });
    await settle();
    if (how !== "aborted before") context().last.piece("Hel");
    if (how === "abort") controller.abort();
    if (how === "error") {
      context().last.end({ reason: "error", error: { code: "DECODE", message: "broken", details: {}, log: null } });
    }
    await expect(generation).rejects.toThrow();
    expect(chat.history).toEqual([]);
    setup.addon.answer = () => "Again";
    expect((await chat.send("Hi again")).text).toBe("Again");
    expect(chat.history).toHaveLength(2);
  });

  it("is forgotten by reset, but for the system text", async () => {
    await chat.send("Hi");
    chat.reset();
    expect(chat.history).toEqual([]);
    await chat.send("Ho");
    expect(prompts()[1]).toContain("Be brief.<|im_end|>\n<|im_start|>user\nHo<|im_end|>");
  });
});

describe("what is in the KV cache", () => {
  /** Splits the answer into other tokens than tokenizing it would. */
  function answerInPieces(pieces: string[]): void {
    const running = context().last;
    for (const piece of pieces) running.piece(piece);
    running.end();
  }

  it.each(["chatml", "mistral"])("is all reused by the next turn, token for token (%s)", async (template) => {
    setup = fakeModel({ spacePrefix: template === "mistral" });
    chat = setup.model.createChat({ system: "Be brief.", template });
    const first = chat.send("Where?");
    await settle();
    answerInPieces(["P", "a", "ris", "."]);
    const { tokens } = await first;
    const cached = [...context().requests[0]!.native.tokens, ...tokens];
    const second = chat.send("Sure?");
    await settle();
    const prompt = [...context().requests[1]!.native.tokens];
    expect(prompt.slice(0, cached.length)).toEqual(cached);
    context().last.end();
    expect((await second).usage.cachedTokens).toBe(cached.length);
    // and a third time, over both answers
    const third = chat.send("Really?");
    await settle();
    expect([...context().requests[2]!.native.tokens.slice(0, prompt.length)]).toEqual(prompt);
    context().last.end();
    await third;
    const { tokenizer } = setup.model;
    expect(tokenizer.decode(context().requests[1]!.native.tokens, { renderSpecial: true })).toContain("Paris.");
  });

  it("is not taken for the answer's where a stop string cut its text", async () => {
    setup.addon.answer = undefined;
    const first = chat.send("Hi", { stop: "END" });
    await settle();
    context().last.emit({ text: "Hello", tokens: [...setup.addon.encode("HelloEND", false)] });
    context().last.end({ stopString: "END" });
    await first;
    chat.send("Ho").cancel();
    const second = chat.send("Ho");
    await settle();
    expect(prompts().at(-1)).toContain("Hello<|im_end|>");
    context().last.end();
    await second;
  });

  it("is not taken where the conversation was changed", async () => {
    await chat.send("Hi");
    chat.system = "Be long.";
    await chat.send("Ho");
    expect(prompts()[1]).toContain("Be long.");
    const { model, addon } = setup;
    const whole = addon.encode(prompts()[1]!, true);
    expect([...context().requests[1]!.native.tokens]).toEqual(whole);
    expect(model.disposed).toBe(false);
  });

  it("goes on plainly where a template has no control token behind an answer", async () => {
    const lines = ({ messages }: { messages: { role: string; content: unknown }[] }): string =>
      messages.map(({ role, content }) => `${role}: ${String(content)}\n`).join("") + "assistant:";
    setup = fakeModel({ spacePrefix: true, templates: { lines } });
    setup.addon.answer = () => " Paris";
    chat = setup.model.createChat({ template: "lines" });
    await chat.send("Where?");
    await chat.send("Sure?");
    const text = "user: Where?\nassistant: Paris\nuser: Sure?\nassistant:";
    expect([...context().requests[1]!.native.tokens]).toEqual([1, ...setup.addon.encode(text, true)]);
  });
});

describe("send", () => {
  it("is refused while an answer is being generated", async () => {
    const first = chat.send("Hi");
    expect(chat.busy).toBe(true);
    expect(() => chat.send("Ho")).toThrow("send() was called while an answer is being generated");
    expect(() => chat.reset()).toThrow("reset() was called while");
    await first;
    await chat.send("Ho");
    expect(chat.history).toHaveLength(4);
  });

  it("takes the session's defaults, which options override", async () => {
    chat = setup.model.createChat({ defaults: { temperature: 0, maxTokens: 9, stop: "x", seed: 1 } });
    await chat.send("Hi", { maxTokens: 5, temperature: undefined });
    const { native } = context().last;
    expect(native).toMatchObject({ maxTokens: 5, stop: ["x"], cachePrompt: true });
    expect(native.sampling.temperature).toBe(0);
  });

  it.each([
    [5, undefined, "Expected a string, a message or an array of messages for message but received 5"],
    [{ role: "user" }, undefined, "for message.content but received undefined"],
    [[], undefined, "Expected a non-empty array of messages for messages"],
    ["Hi", { temperature: "hot" }, 'for temperature but received "hot"'],
    ["Hi", { prompt: "x" }, 'for an option name of send but received "prompt"'],
    ["Hi", 5, "Expected an object for the options of send but received 5"],
  ])("refuses %o with %o, and stays usable", async (input, options, message) => {
    expect(() => chat.send(input as never, options as never)).toThrow(message);
    expect(chat.busy).toBe(false);
    await chat.send("Hi");
  });

  it("rejects where the context cannot be made, and tries again next time", async () => {
    setup.addon.failContextCreate = Object.assign(new Error("no room"), { code: "INSUFFICIENT_MEMORY" });
    await expect(chat.send("Hi")).rejects.toMatchObject({ code: "INSUFFICIENT_MEMORY" });
    setup.addon.failContextCreate = undefined;
    expect((await chat.send("Hi")).text).toBe("Hello!");
  });
});

describe("createChat", () => {
  it.each([
    [{ system: 5 }, "Expected a string or null for system but received 5"],
    [{ messages: [{ role: "x" }] }, "for messages[0].role"],
    [{ defaults: { topk: 1 } }, '(did you mean "topK"?) for an option name of defaults but received "topk"'],
    [{ defaults: { topK: -1 } }, "for defaults.topK but received -1"],
    [{ defaults: { signal: AbortSignal.abort() } }, 'for an option name of defaults but received "signal"'],
    [{ template: 1 }, "Expected a ChatTemplate or the source of one for template but received 1"],
    [{ context: { contextSize: 0 } }, "for contextSize but received 0"],
    [{ sytem: "" }, '(did you mean "system"?)'],
  ])("refuses %o", (options, message) => {
    expect(() => setup.model.createChat(options as never)).toThrow(message);
  });

  it("of a model makes a context on the first send, and disposes it with the session", async () => {
    chat = setup.model.createChat({ context: { contextSize: 1000 } });
    expect(setup.addon.contexts).toHaveLength(0);
    await chat.send("Hi");
    expect(context().params.contextSize).toBe(1000);
    await chat.dispose();
    expect(context().disposed).toBe(true);
    expect(() => chat.send("Hi")).toThrow(DisposedError);
  });

  it("of a context shares it", async () => {
    const shared = await setup.model.createContext();
    const [one, two] = [shared.createChat(), shared.createChat()];
    const [first, second] = [one.send("Hi"), two.send("Hi")];
    await Promise.all([first, second]);
    expect(context().requests).toHaveLength(2);
    await one[Symbol.asyncDispose]();
    expect(context().disposed).toBe(false);
    await two.send("Ho");
  });
});

describe("fork, save and restore", () => {
  it("a fork goes its own way in the same context", async () => {
    await chat.send("Hi");
    const fork = chat.fork();
    await fork.send("Left");
    await chat.send("Right");
    expect(setup.addon.contexts).toHaveLength(1);
    expect(fork.history.map(({ content }) => content)).toEqual(["Hi", "Hello!", "Left", "Hello!"]);
    expect(chat.history.map(({ content }) => content)).toEqual(["Hi", "Hello!", "Right", "Hello!"]);
    const cached = context().requests.map(({ cachedTokens }) => cachedTokens);
    expect(cached[2]).toBeGreaterThanOrEqual(context().requests[0]!.native.tokens.length + "Hello!".length);
    await fork.dispose();
    await chat.send("Still here");
  });

  it("goes through JSON", async () => {
    await chat.send("Hi");
    const json: unknown = JSON.parse(JSON.stringify(chat));
    expect(json).toEqual({ version: 1, system: "Be brief.", messages: chat.history });
    const shared = await setup.model.createContext();
    for (const restored of [
      ChatSession.fromJSON(json, { context: shared }),
      ChatSession.fromJSON(json, { model: setup.model }, { defaults: { maxTokens: 3 } }),
    ]) {
      expect(restored.history).toEqual(chat.history);
      expect(restored.system).toBe("Be brief.");
      await restored.send("And?");
      expect(prompts().at(-1)).toContain("Hello!<|im_end|>\n<|im_start|>user\nAnd?");
    }
    expect(context().last.native.maxTokens).toBe(3);
  });

  it.each([
    [null, "Expected an object for the saved session but received null"],
    [{ version: 2 }, "Expected 1 for version of the saved session but received 2"],
    [{ version: 1, system: 1, messages: [] }, "for system of the saved session but received 1"],
    [{ version: 1, system: null, messages: [1] }, "for messages of the saved session[0] but received 1"],
  ])("refuses %o as a saved session", (json, message) => {
    expect(() => ChatSession.fromJSON(json, { model: setup.model })).toThrow(message);
  });
});

describe("dispose", () => {
  it("cancels an answer in progress, which resolves with what there is", async () => {
    setup.addon.answer = undefined;
    const generation = chat.send("Hi");
    await settle();
    context().last.piece("Hel");
    await Promise.all([chat.dispose(), chat.dispose()]);
    expect(await generation).toMatchObject({ text: "Hel", finishReason: "cancelled" });
    expect(context().disposed).toBe(true);
  });

  it("needs no context to have been made", async () => {
    await chat.dispose();
    expect(setup.addon.contexts).toHaveLength(0);
  });

  it("of the context ends the session's answers", async () => {
    setup.addon.answer = undefined;
    const shared = await setup.model.createContext();
    const session = shared.createChat();
    const generation = session.send("Hi");
    await settle();
    await shared.dispose();
    await expect(generation).rejects.toThrow(DisposedError);
    await expect(session.send("Hi")).rejects.toThrow(DisposedError);
  });
});
