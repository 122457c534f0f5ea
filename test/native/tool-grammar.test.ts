// What a model may write that may call tools but need not, whatever it would like to write: a random model, whose likings
// are letters of what calls begin with.

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { LlamaContext, LlamaModel } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { textOrToolGrammar, toolGrammar } from "../../src/chat/tools/tool-grammar.js";
import type { ToolSyntax } from "../../src/chat/tools/tool-syntax.js";
import { syntaxOfTemplate } from "../../src/chat/tools/tool-syntax.js";
import { tinyModel } from "../support/models.js";

let model: LlamaModel;
let context: LlamaContext;
beforeAll(async () => {
  model = await loadModel(await tinyModel());
  context = await model.createContext({ contextSize: 512 });
});
afterAll(() => model.dispose());

/** A text that the model likes to make of these tokens. */
async function write(liked: RegExp, seed: number, grammar: string | undefined, maxTokens = 40): Promise<string> {
  const logitBias = new Map<number, number>();
  for (let token = 0; token < model.info.vocabularySize; token++) {
    if (liked.test(model.tokenizer.piece(token))) logitBias.set(token, 50);
  }
  const options = { temperature: 2, topK: 100, topP: 1, minP: 0, maxTokens, seed, logitBias };
  const { text } = await context.generate({ prompt: "Say", ...options, ...(grammar === undefined ? {} : { grammar }) });
  return text;
}

const parameters = { type: "object", properties: { root: { type: "string", pattern: "^[xy]$" } }, required: ["root"] };
const tools = ["f", "g"].map((name) => ({ name, parameters, path: name }));
const call = /\{\s*"name":\s*"[fg]",\s*"(?:arguments|parameters)":\s*\{\s*"root":\s*"[xy]"\s*\}\s*\}/.source;
const seeds = Array.from({ length: 6 }, (_, index) => index + 1);

/** One whose beginning comes up by chance, and begins again within itself. */
const short: ToolSyntax = { ...syntaxOfTemplate("<tool_call>"), trigger: "aab", calls: () => `":" the--call` };

describe("text, or calls behind a trigger", () => {
  it("is what the model likes until the trigger, and a call from there", async () => {
    const grammar = textOrToolGrammar(tools, short, false);
    let called = 0;
    for (const seed of seeds) {
      const free = await write(/^[abc]{1,4}$/, seed, undefined);
      const text = await write(/^[abc]{1,4}$/, seed, grammar, 100);
      const at = text.indexOf("aab");
      if (at < 0 || at > 60) continue; // too late for a whole call
      called++;
      expect(text.slice(at)).toMatch(new RegExp(`^aab:${call}$`));
      const until = free.indexOf("aab");
      expect(text.slice(0, until)).toBe(free.slice(0, until));
    }
    expect(called).toBeGreaterThan(2);
  });

  it("is any text without the trigger", async () => {
    const never = textOrToolGrammar(tools, { ...short, trigger: "aaz" }, false);
    for (const seed of seeds.slice(0, 3)) {
      expect(await write(/^[abc]{1,4}$/, seed, never)).toBe(await write(/^[abc]{1,4}$/, seed, undefined));
    }
  });

  it.each(["<tool_call>", "[TOOL_CALLS]"])("is a grammar for %s", async (trigger) => {
    const syntax = syntaxOfTemplate(trigger);
    const letters = new RegExp(`^[${trigger.replace(/[[\]]/g, "\\$&")}]$`);
    const text = await write(letters, 1, textOrToolGrammar(tools, syntax, true));
    expect(text.length).toBeGreaterThan(20);
    const forced = await write(letters, 1, toolGrammar(tools, syntax, false), 100);
    expect(forced.startsWith(trigger)).toBe(true);
    expect(forced).toMatch(new RegExp(call));
  });
});

describe("calls whose name comes before their arguments", () => {
  const args = String.raw`\{\s*"root":\s*"[xy]"\s*\}`;
  it.each([
    ["[TOOL_CALLS][ARGS]", String.raw`\[TOOL_CALLS\] ?[fg]\[ARGS\]${args}`],
    ["[TOOL_CALLS][CALL_ID][ARGS]", String.raw`\[TOOL_CALLS\] ?[fg]\[CALL_ID\][a-zA-Z0-9]{9}\[ARGS\]${args}`],
  ])("are a grammar for %s, one call or several", async (template, one) => {
    const syntax = syntaxOfTemplate(template);
    const letters = /^[[\]A-Z_]$/;
    for (const seed of seeds.slice(0, 3)) {
      expect(await write(letters, seed, toolGrammar(tools, syntax, false), 120)).toMatch(new RegExp(`^${one}$`));
      expect(await write(letters, seed, toolGrammar(tools, syntax, true), 600)).toMatch(new RegExp(`^(${one}){1,8}$`));
    }
  });
});

describe("schemas with references", () => {
  it("are followed within each tool's own", async () => {
    const of = (name: string, pattern: string): (typeof tools)[number] => {
      const properties = { root: { $ref: "#/$defs/letter" } };
      const $defs = { letter: { type: "string", pattern } };
      return { name, path: name, parameters: { type: "object", properties, required: ["root"], $defs } as never };
    };
    const grammar = toolGrammar([of("f", "^x$"), of("g", "^y$")], syntaxOfTemplate(""), false);
    const found = await Promise.all(seeds.map((seed) => write(/^[fgxy{"]$/, seed, grammar, 100)));
    const calls = found.map((text) => JSON.parse(text) as { name: string; arguments: object });
    for (const { name, arguments: args } of calls) expect(args).toEqual({ root: name === "f" ? "x" : "y" });
    expect(new Set(calls.map(({ name }) => name)).size).toBe(2);
  });
});

describe("rules of text and calls", () => {
  it("have other names than those of any schema", () => {
    const inner = { type: "object", properties: { a: { type: "integer" } } };
    const names = ["seen!", "seen?", "the!", "the?", "text!", "root"];
    const properties = Object.fromEntries(names.map((name) => [name, { ...inner, title: name }]));
    const tool = { name: "f", parameters: { type: "object", properties }, path: "f" };
    for (const trigger of ["<tool_call>", "", "[TOOL_CALLS][ARGS]"]) {
      const grammar = textOrToolGrammar([tool], syntaxOfTemplate(trigger), true);
      const rules = [...grammar.matchAll(/^(\S+) ::=/gm)].map(([, rule]) => rule);
      expect(rules.filter((rule) => rule?.endsWith("--2"))).not.toHaveLength(0);
      expect(new Set(rules).size).toBe(rules.length);
    }
  });
});

describe("text, or calls that are JSON from their beginning", () => {
  it.each([true, false])("is a call where it begins like JSON, and anything else; several: %s", async (parallel) => {
    const grammar = textOrToolGrammar(tools, syntaxOfTemplate(""), parallel);
    const texts = await Promise.all(seeds.map((seed) => write(/^([{["a]| )$/, seed, grammar)));
    const list = new RegExp(`^\\s*(?:${call}|\\[${call}(?:, ?${call})*\\])`);
    const [json, others] = [/^\s*(?:\{|\[\s*\{)/, /^\s*(?:\[\s*)?[^{\s]/];
    for (const text of texts) expect(text).toMatch(json.test(text) ? list : others);
    expect(texts.some((text) => json.test(text))).toBe(true);
    expect(texts.some((text) => !json.test(text) && text.includes("{"))).toBe(true);
  });
});
