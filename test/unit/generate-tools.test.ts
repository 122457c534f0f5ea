import { beforeEach, describe, expect, it } from "vitest";

import type { GenerationEvent, GenerationPiece, ToolDefinition } from "../../src/index.js";
import type { LlamaContext } from "../../src/llama-context.js";
import type { FakeRequest } from "./fake-addon.js";
import type { FakeSetup } from "./fake-model.js";
import { collect, fakeModel, settle } from "./fake-model.js";

const tools: ToolDefinition[] = ["weather", "time"].map((name) => ({
  type: "function",
  function: { name, parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } },
}));
const messages = [{ role: "user" as const, content: "How is the weather?" }];
const call = '{"name": "weather", "arguments": {"city": "Rome"}}';

let setup: FakeSetup;
let context: LlamaContext;
beforeEach(async () => {
  setup = fakeModel();
  context = await setup.model.createContext();
});

async function request(): Promise<FakeRequest> {
  await settle();
  return setup.addon.context.last;
}

async function answer(pieces: string[], end: Parameters<FakeRequest["end"]>[0] = {}): Promise<void> {
  const running = await request();
  for (const piece of pieces) running.piece(piece);
  running.end(end);
}

describe("an answer that calls a tool", () => {
  it("has the call apart from the text, and ends for it", async () => {
    const generation = context.generate({ messages, tools });
    await answer([call.slice(0, 30), call.slice(30)]);
    const { text, toolCalls, finishReason, tokens } = await generation;
    expect([text, finishReason, tokens.length]).toEqual(["", "tool_calls", call.length]);
    const json = '{"city":"Rome"}';
    const id = expect.stringMatching(/^call_\w{24}$/) as string;
    expect(toolCalls).toEqual([{ id, name: "weather", arguments: { city: "Rome" }, json, isWhole: true }]);
  });

  it("tells it as it comes, each token once", async () => {
    const pieces: GenerationPiece[] = [];
    const generation = context.generate({ messages, tools, onToken: (piece) => pieces.push(piece) });
    await answer(Array.from({ length: 10 }, (_, index) => call.slice(index * 5, index * 5 + 5)));
    const { toolCalls, tokens } = await generation;
    const events = await collect(generation.events());
    const told = events.filter((event): event is GenerationEvent & { type: "piece" } => event.type === "piece");
    expect(told.map(({ type: _, ...piece }) => piece)).toEqual(pieces);
    expect(pieces.flatMap((piece) => piece.tokens)).toEqual([...tokens]);
    expect(pieces.every(({ text }) => text === "")).toBe(true);
    const parts = pieces.flatMap(({ toolCall }) => toolCall ?? []);
    expect(parts[0]).toEqual({ type: "call", index: 0, id: toolCalls![0]!.id, name: "weather" });
    expect(parts.at(-1)).toEqual({ type: "callEnd", index: 0, isWhole: true });
    const json = parts.flatMap((part) => (part.type === "arguments" ? [part.text] : []));
    expect(json.length).toBeGreaterThan(2);
    expect(json.join("")).toBe(toolCalls![0]!.json);
    expect(await collect(generation)).toEqual([]);
  });

  it("may be text after all", async () => {
    const generation = context.generate({ messages, tools });
    await answer(['{"sky": ', '"blue"}']);
    expect(await generation).toMatchObject({ text: '{"sky": "blue"}', toolCalls: [], finishReason: "stop" });
    expect((await collect(generation)).join("")).toBe('{"sky": "blue"}');
  });

  it("has what there is of it where it is cut, and where it is cancelled", async () => {
    const cut = context.generate({ messages, tools });
    await answer([call.slice(0, 45)], { reason: "length" });
    const broken = { name: "weather", arguments: {}, json: '{"city":"Ro', isWhole: false };
    expect(await cut).toMatchObject({ finishReason: "length", toolCalls: [broken] });
    const cancelled = context.generate({ messages, tools });
    (await request()).piece(call.slice(0, 45));
    cancelled.cancel();
    (await request()).end({ reason: "cancelled" });
    expect(await cancelled).toMatchObject({ finishReason: "cancelled", toolCalls: [broken] });
  });

  it.each([
    [2, "may be made", {}],
    [2, "must be made", { toolChoice: "required" }],
    [1, "are not wanted", { parallelToolCalls: false }],
    [1, "are not wanted, but one must be made", { parallelToolCalls: false, toolChoice: "required" }],
    [1, "may be made, but one tool is wanted by its name", { toolChoice: { name: "weather" } }],
  ] as const)("has %i where several %s", async (count, _, options) => {
    const generation = context.generate({ messages, tools, ...options });
    const { grammar } = (await request()).native.sampling;
    if ("toolChoice" in options) expect(/^the--calls .*\{0,/m.test(grammar)).toBe(count > 1);
    await answer([`[${call}, ${call}]`]);
    expect((await generation).toolCalls).toHaveLength(count);
  });

  it("rejects with what a callback throws at its very end", async () => {
    const onToken = ({ text }: GenerationPiece): void => {
      if (text !== "") throw new Error("mine");
    };
    const generation = context.generate({ messages, tools, onToken });
    await answer(['{"name": "weath']);
    await expect(generation).rejects.toThrow("mine");
  });
});

describe("the tools of a request", () => {
  it("are described in words where the template does not show them", async () => {
    void context.generate({ messages, tools });
    const prompt = setup.model.tokenizer.decode([...(await request()).native.tokens]);
    expect(prompt).toContain("You can call these tools");
    expect(prompt).toContain('"name":"weather"');
  });

  it("are not there where none may be called", async () => {
    const generation = context.generate({ messages, tools, toolChoice: "none" });
    expect(setup.model.tokenizer.decode([...(await request()).native.tokens])).not.toContain('"name"');
    await answer([call]);
    const result = await generation;
    expect([result.text, "toolCalls" in result]).toEqual([call, false]);
  });

  it.each([
    ["required", ["weather", "time"]],
    [{ name: "time" }, ["time"]],
  ] as const)("that must be called, %j, are a grammar", async (toolChoice, names) => {
    void context.generate({ messages, tools, toolChoice });
    const { grammar } = (await request()).native.sampling;
    for (const name of ["weather", "time"]) {
      expect(grammar.includes(`\\"${name}\\"`)).toBe((names as readonly string[]).includes(name));
    }
  });

  it("that are strict keep to their schema without being shown that word", async () => {
    const strict = [{ ...tools[0]!, function: { ...tools[0]!.function, strict: true } }];
    void context.generate({ messages, tools: strict });
    const { native } = await request();
    expect(native.sampling.grammar).toContain("city");
    expect(setup.model.tokenizer.decode([...native.tokens])).not.toContain("strict");
  });

  it.each([
    ["toolChoice", { toolChoice: "sometimes" as never }],
    ["toolChoice", { tools: [], toolChoice: "required" as const }],
    ["toolChoice.name", { toolChoice: { name: "sky" } }],
    ["grammar", { toolChoice: "required" as const, grammar: "root ::= [a]" }],
    ["jsonSchema", { toolChoice: "required" as const, jsonSchema: {} }],
    [
      "tools[0].function.parameters",
      { tools: [{ type: "function" as const, function: { name: "f", parameters: null as never } }] },
    ],
    [
      "tools[0].function.strict",
      { tools: [{ type: "function" as const, function: { name: "f", strict: 1 as never } }] },
    ],
    [
      "tools[0].function.parameters.minProperties",
      {
        tools: [
          { type: "function" as const, function: { name: "f", parameters: { type: "object", minProperties: 1 } } },
        ],
        toolChoice: "required" as const,
      },
    ],
  ])("are refused at once by name: %s", (option, options) => {
    const generate = (): unknown => context.generate({ messages, tools, ...options });
    expect(generate).toThrow(expect.objectContaining({ code: "INVALID_OPTION", details: { option } }));
  });
});

describe("a session", () => {
  it("keeps calls in its history, and goes on with their results", async () => {
    const chat = context.createChat({ defaults: { tools } });
    const first = chat.send("How is the weather?");
    await answer(["Let me look.\n".trim()]);
    await first;
    const second = chat.send("Well?");
    await answer([call]);
    const { toolCalls = [] } = await second;
    const [{ id, name, arguments: args }] = toolCalls as [(typeof toolCalls)[number]];
    expect(chat.history.at(-1)).toEqual({ role: "assistant", content: "", toolCalls: [{ id, name, arguments: args }] });
    const third = chat.send({ role: "tool", name, toolCallId: id, content: "sunny" });
    const prompt = setup.model.tokenizer.decode([...(await request()).native.tokens]);
    expect(prompt).toContain("Rome");
    expect(prompt).toContain("sunny");
    await answer(["It is sunny."]);
    expect((await third).text).toBe("It is sunny.");
    expect(JSON.parse(JSON.stringify(chat))).toMatchObject({ messages: chat.history });
  });

  it("does not show the model the beginning of a call that is in no history", async () => {
    const chat = context.createChat({ defaults: { tools, toolChoice: "required" } });
    const first = chat.send("How is the weather?");
    await answer(['{"zzz'], { reason: "length" });
    expect(await first).toMatchObject({ text: "", toolCalls: [], finishReason: "length" });
    void chat.send("Well?");
    expect(setup.model.tokenizer.decode([...(await request()).native.tokens])).not.toContain("zzz");
  });

  it("takes generated calls as they are", async () => {
    const generation = context.generate({ messages, tools });
    await answer([call]);
    const { toolCalls = [] } = await generation;
    const result = { role: "tool" as const, toolCallId: toolCalls[0]!.id, content: "sunny" };
    const next = context.generate({ messages: [...messages, { role: "assistant", toolCalls }, result], tools });
    await answer(["Sunny."]);
    expect((await next).text).toBe("Sunny.");
  });
});
