import { beforeEach, describe, expect, it } from "vitest";

import type { ChatSession, ChatTemplate, GenerationPiece, ToolDefinition } from "../../src/index.js";
import type { LlamaContext } from "../../src/llama-context.js";
import type { FakeRequest, FakeTemplate, Variables } from "./fake-addon.js";
import { chatml } from "./fake-addon.js";
import type { FakeSetup } from "./fake-model.js";
import { collect, fakeModel, settle } from "./fake-model.js";

/** What templates were given last. */
let seen: Variables;
const spying =
  (end: (variables: Variables) => string): FakeTemplate =>
  (variables) => {
    seen = variables;
    return chatml(variables) + (variables.add_generation_prompt ? end(variables) : "");
  };
const templates = {
  // The model thinks by itself, and the template writes an empty thought where it shall not.
  "may </think>": spying(({ enable_thinking: on }) => (on === false ? "<think>\n\n</think>\n\n" : "")),
  // It always thinks.
  "must </think>": spying(() => "<think>\n"),
  // It cannot be told, and begins no thought.
  "does </think>": spying(() => ""),
  // It says so elsewhere than in front of the answer.
  "says </think>": spying(({ thinking: on }) => (on === false ? "Be quick. " : "")),
  // It ends with the last message.
  "echo </think>": spying(({ messages: list }) => list.at(-1)!.content as string),
  // Its marks are control tokens.
  "[THINK][/THINK]": spying(() => ""),
  none: chatml,
};
const messages = [{ role: "user" as const, content: "Is it?" }];
const tools: ToolDefinition[] = [{ type: "function", function: { name: "look" } }];

let setup: FakeSetup;
let context: LlamaContext;
let may: ChatTemplate;
let must: ChatTemplate;
beforeEach(async () => {
  setup = fakeModel({ templates });
  context = await setup.model.createContext();
  may = setup.model.createChatTemplate("may </think>");
  must = setup.model.createChatTemplate("must </think>");
});

async function answer(pieces: string[], end: Parameters<FakeRequest["end"]>[0] = {}): Promise<FakeRequest> {
  await settle();
  const running = setup.addon.context.last;
  for (const piece of pieces) running.piece(piece);
  running.end(end);
  return running;
}

const promptOf = ({ native }: FakeRequest): string =>
  setup.model.tokenizer.decode(native.tokens, { renderSpecial: true });

describe("a template that knows thinking", () => {
  it("is told whether to think, and nothing where nobody says", () => {
    may.render(messages);
    expect(seen).not.toHaveProperty("enable_thinking");
    expect(may.render(messages, { thinking: false })).toMatch(/assistant\n<think>\n\n<\/think>\n\n$/);
    expect(seen).toMatchObject({ enable_thinking: false, thinking: false });
    may.render(messages, { thinking: true, variables: { thinking: "deep" } });
    expect(seen).toMatchObject({ enable_thinking: true, thinking: "deep" });
  });

  it("has its thought ended in the prompt where it cannot be told, or an answer is begun", () => {
    expect(must.render(messages)).toMatch(/assistant\n<think>\n$/);
    expect(must.render(messages, { thinking: false })).toMatch(/assistant\n<think>\n\n<\/think>\n\n$/);
    expect(must.render(messages, { answerStart: "Yes" })).toMatch(/assistant\n<think>\n\n<\/think>\n\nYes$/);
  });

  it("has an empty thought in the prompt where it knows of no way to do without, and one alone", () => {
    const does = setup.model.createChatTemplate("does </think>");
    expect(does.render(messages, { thinking: false })).toMatch(/assistant\n<think>\n\n<\/think>\n\n$/);
    expect(does.render(messages)).toMatch(/assistant\n$/);
    expect(does.render(messages, { thinking: false, addGenerationPrompt: false })).not.toContain("think");
    const says = setup.model.createChatTemplate("says </think>");
    expect(says.render(messages, { thinking: false })).toMatch(/assistant\nBe quick\. $/);
  });

  it("begins a thought behind a message of the assistant's, too", async () => {
    const said = [...messages, { role: "assistant" as const, content: "Yes." }];
    const generation = context.generate({ messages: said, template: must });
    await answer(["Hm.</think>It is."]);
    expect(await generation).toMatchObject({ text: "It is.", thinking: "Hm." });
    expect(must.render(said, { thinking: false })).toMatch(/<think>\n\n<\/think>\n\n$/);
  });

  it("is not taken in by a message that ends with its mark", async () => {
    const own = fakeModel({ templates, specials: ["<think>"] });
    const asked = [{ role: "user" as const, content: "Explain <think>" }];
    const rendered = own.model.createChatTemplate("echo </think>").render(asked, { thinking: false });
    expect(rendered).toMatch(/Explain <think><think>\n\n<\/think>\n\n$/);
    const generation = (await own.model.createContext()).generate({ messages: asked, template: "echo </think>" });
    await settle();
    const running = own.addon.context.last;
    running.piece("Hm.</think>Yes.");
    running.end();
    expect(await generation).toMatchObject({ text: "Hm.</think>Yes.", thinking: "" });
  });

  it("gets what the assistant thought before, and never the text of control tokens in it as such", () => {
    const said = { role: "assistant" as const, content: "Yes.", thinking: "So <|im_end|>?" };
    const reads: FakeTemplate = ({ messages: list }) => list.map((one) => one.reasoning_content ?? "").join("");
    const { model } = fakeModel({ templates: { reads } });
    const template = model.createChatTemplate("reads");
    expect(template.render([...messages, said], { addGenerationPrompt: false })).toBe("So <|im_end|>?");
    const plain = model.tokenizer.encode("So <|im_end|>?", { addSpecial: true, parseSpecial: false });
    expect(template.apply([...messages, said], { addGenerationPrompt: false })).toEqual(plain);
    expect(() => template.render([{ role: "user", content: "Hi", thinking: "no" }])).toThrow("messages[0].thinking");
  });

  it("is left alone where it knows none", () => {
    expect(setup.model.chatTemplate.render(messages, { thinking: true })).toBe(
      setup.model.chatTemplate.render(messages),
    );
  });
});

describe("an answer behind a thought", () => {
  it("has the thought apart from the text, whole and as it comes, with its tokens counted", async () => {
    const pieces: GenerationPiece[] = [];
    const generation = context.generate({ messages, template: may, onToken: (piece) => pieces.push(piece) });
    const thought = "<think>\nHm.\n</think>";
    await answer(["<thi", "nk>\nHm", ".\n</think", ">\n\nYe", "s."]);
    const { text, thinking, usage, tokens } = await generation;
    expect({ text, thinking }).toEqual({ text: "Yes.", thinking: "Hm." });
    // A blank line behind the mark is the format's, and the answer's for the count.
    expect(usage.thinkingTokens).toBe(thought.length);
    expect(tokens).toHaveLength(`${thought}\n\nYes.`.length);
    expect(pieces.map((piece) => piece.thinking ?? "").join("")).toBe("Hm.");
    expect(pieces.flatMap((piece) => piece.tokens)).toEqual([...tokens]);
    expect(await collect(generation)).toEqual(["Ye", "s."]);
  });

  it("begins within it where the prompt does", async () => {
    const generation = context.generate({ messages, template: must });
    expect(promptOf(await answer(["Hm.</think>Yes."]))).toMatch(/<think>\n$/);
    expect(await generation).toMatchObject({ text: "Yes.", thinking: "Hm." });
  });

  it("is a thought alone where it is cut in it", async () => {
    const generation = context.generate({ messages, template: must });
    await answer(["Hm, well"], { reason: "length" });
    const { text, thinking, finishReason, usage, tokens } = await generation;
    expect({ text, thinking, finishReason }).toEqual({ text: "", thinking: "Hm, well", finishReason: "length" });
    expect(usage.thinkingTokens).toBe(tokens.length);
  });

  it("is one text with its marks where that is asked for", async () => {
    const generation = context.generate({ messages, template: may, thinkingInText: true });
    await answer(["<think>Hm.</think>Yes."]);
    const result = await generation;
    expect(result).toMatchObject({ text: "<think>Hm.</think>Yes.", usage: { thinkingTokens: 0 } });
    expect(result).not.toHaveProperty("thinking");
  });

  it("has calls of tools behind it", async () => {
    const generation = context.generate({ messages, template: may, tools });
    await answer(['<think>{"name": "look", "arguments": {}}</think>', '{"name": "look", "arguments": {}}']);
    expect(await generation).toMatchObject({
      text: "",
      thinking: '{"name": "look", "arguments": {}}',
      toolCalls: [{ name: "look" }],
      finishReason: "tool_calls",
    });
  });

  it("is no text without a template that knows thinking", async () => {
    const generation = context.generate({ messages });
    await answer(["<think>Hm.</think>Yes."]);
    const result = await generation;
    expect(result.text).toBe("<think>Hm.</think>Yes.");
    expect(result).not.toHaveProperty("thinking");
    expect(result).not.toHaveProperty("toolCalls");
  });
});

describe("a request that leaves no room for thinking", () => {
  it.each([
    ["a grammar", { grammar: 'root ::= "yes"' }],
    ["a schema", { jsonSchema: { type: "object" } }],
    ["a tool that must be called", { tools, toolChoice: "required" as const }],
    ["a strict tool", { tools: [{ type: "function" as const, function: { name: "look", strict: true } }] }],
    ["an answer that was begun", { answerStart: "y" }],
  ])("has the model do without: %s", async (_, options) => {
    const generation = context.generate({ messages, template: must, ...options });
    expect(promptOf(await answer(["yes"]))).toMatch(/<think>\n\n<\/think>\n\ny?$/);
    expect(await generation).not.toHaveProperty("thinking");
    const thinks = { messages, template: must, thinking: true, ...options };
    if ("grammar" in options) return;
    expect(() => context.generate(thinks)).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", details: { option: "thinking" } }),
    );
  });

  it("has room for it in a grammar of thought and answer together", async () => {
    const generation = context.generate({ messages, template: must, thinking: true, grammar: "root ::= .*" });
    expect(promptOf(await answer(["Hm.</think>Yes."]))).toMatch(/<think>\n$/);
    expect(await generation).toMatchObject({ text: "Yes.", thinking: "Hm." });
  });

  it("is refused where the template knows no thinking", () => {
    expect(() => context.generate({ messages, thinking: true })).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", details: { option: "thinking" } }),
    );
    context.generate({ messages, thinking: false }).cancel();
  });
});

describe("marks that are control tokens", () => {
  it.each([{}, { thinkingInText: true }])("are part of the text that is read: %j", async (options) => {
    const special = fakeModel({ templates, specials: ["[THINK]", "[/THINK]"] });
    const own = await special.model.createContext();
    const generation = own.generate({ messages, template: "[THINK][/THINK]", ...options });
    await settle();
    const running = special.addon.context.last;
    expect(running.native.renderSpecial).toBe(true);
    running.piece("[THINK]Hm.[/THINK]Yes.");
    running.end();
    const { text, thinking } = await generation;
    if ("thinkingInText" in options) expect(text).toBe("[THINK]Hm.[/THINK]Yes.");
    else expect({ text, thinking }).toEqual({ text: "Yes.", thinking: "Hm." });
  });
});

describe("a session", () => {
  it("keeps the question of an answer that was cancelled in its thought", async () => {
    const chat = context.createChat({ template: must });
    const generation = chat.send("Is it?");
    await settle();
    const running = setup.addon.context.last;
    running.piece("Hm, well");
    generation.cancel();
    running.end({ reason: "cancelled" });
    expect(await generation).toMatchObject({ text: "", thinking: "Hm, well" });
    expect(chat.history).toMatchObject([{ content: "Is it?" }, { content: "", thinking: "Hm, well" }]);
  });

  const said = (chat: ChatSession): unknown => chat.history.at(-1);

  it("keeps what was thought beside the answer, and evaluates anew what the template leaves out of it", async () => {
    const chat = context.createChat({ template: may });
    const first = chat.send("Is it?");
    await answer(["<think>Hm.</think>Yes."]);
    await first;
    expect(said(chat)).toEqual({ role: "assistant", content: "Yes.", thinking: "Hm." });
    const second = chat.send("Sure?", { thinking: false });
    const prompt = promptOf(await answer(["Yes."]));
    expect(prompt).toContain("assistant\nYes.<|im_end|>\n");
    expect(prompt).not.toContain("Hm.");
    expect(prompt).toMatch(/<think>\n\n<\/think>\n\n$/);
    expect(seen.messages[1]).toMatchObject({ reasoning_content: "Hm." });
    await second;
    const saved = JSON.parse(JSON.stringify(chat)) as { messages: unknown[] };
    expect(saved.messages[1]).toMatchObject({ thinking: "Hm." });
  });
});
