// What a grammar leaves to choose from is found without trying the whole vocabulary. Here it is compared with what every
// token's text says.

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { LlamaContext, LlamaModel, RequestOptions } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { tinyModel } from "../support/models.js";

let model: LlamaModel;
let context: LlamaContext;
let texts: string[];
const prompt = "Say";

beforeAll(async () => {
  model = await loadModel(await tinyModel());
  context = await model.createContext({ contextSize: 512 });
  texts = Array.from({ length: model.info.vocabularySize }, (_, token) => textOf(token));
});
afterAll(() => model.dispose());

/** As a grammar sees it: a token behind another one, so that its leading space counts. */
function textOf(token: number): string {
  const { text, isByte, isControl } = model.tokenizer.tokenInfo(token);
  if (isControl) return "";
  if (isByte) return token - 3 < 128 ? String.fromCharCode(token - 3) : "";
  return text.replaceAll("\u2581", " ");
}

async function nextLogits(): Promise<Float32Array> {
  const sequence = await context.sequence();
  const logits = await sequence.evaluate(model.tokenizer.encode(prompt, { addSpecial: true }), { logits: "last" });
  await sequence.dispose();
  return logits ?? new Float32Array();
}

/** Tokens that may begin a text, the likeliest first. */
async function allowed(beginning: RegExp): Promise<number[]> {
  const logits = await nextLogits();
  const tokens = [...texts.keys()].filter((token) => texts[token] !== "" && beginning.test(texts[token] ?? ""));
  return tokens.sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0));
}

async function first(grammar: string, options: RequestOptions): Promise<number> {
  const { tokens } = await context.generate({ prompt, grammar, maxTokens: 1, seed: 1, ...options });
  return tokens[0] ?? -1;
}

/** A grammar, and what a token's text must be to come first. Few, some and most of all tokens are allowed. */
const grammars: [grammar: string, beginning: RegExp][] = [
  ['root ::= "q" [0-9] "x"', /^q([0-9]x?)?$/],
  ['root ::= [A-Z] "q"+', /^[A-Z]q*$/],
  ['root ::= "\\"" [a-z]+ "\\"" | [0-9]{3}', /^("([a-z]+"?)?|[0-9]{1,3})$/],
  ["root ::= [^a-zA-Z0-9 ]+", /^[^a-zA-Z0-9 ]+$/],
  ['root ::= . "b" . "d"', /^.(b(.d?)?)?$/su],
  ['root ::= " the" " end"', /^ (t(he?)?)?$/],
  ['root ::= [\u00c0-\u00ff\u4e00-\u9fff] "n"*', /^[\u00c0-\u00ff\u4e00-\u9fff]n*$/],
  ["root ::= [a-z ]+", /^[a-z ]+$/],
];

describe.each(grammars)("by %s", (grammar, beginning) => {
  it("greedily the likeliest allowed token comes", async () => {
    expect(await first(grammar, { temperature: 0 })).toBe((await allowed(beginning))[0]);
  });

  it("top-k is of what is allowed", async () => {
    const best = await allowed(beginning);
    const drawn = new Set<number>();
    const options = { temperature: 5, topK: 4, topP: 1, minP: 0 };
    for (let seed = 1; seed <= 24; seed++) drawn.add(await first(grammar, { ...options, seed }));
    expect([...drawn].every((token) => best.slice(0, 4).includes(token))).toBe(true);
    expect(drawn.size).toBeGreaterThan(Math.min(best.length, 2) - 1);
  });

  it.each<RequestOptions>([
    { temperature: 1, topK: 0 },
    { temperature: 1, repeatPenalty: 1.2 },
    { mirostat: { version: 2 } },
  ])("%j chooses among what is allowed", async (options) => {
    const tokens = new Set(await allowed(beginning));
    for (let seed = 1; seed <= 6; seed++) expect(tokens).toContain(await first(grammar, { ...options, seed }));
  });
});

describe("a grammar", () => {
  it("may leave single bytes of a character to choose from", async () => {
    const text = "\u{1f600}\u{1f9ff}\u{20000}";
    const { text: found, finishReason } = await context.generate({
      prompt,
      grammar: `root ::= "${text}"`,
      maxTokens: 40,
    });
    expect([found, finishReason]).toEqual([text, "stop"]);
  });

  it("that biases leave nothing of is GRAMMAR, and the context goes on", async () => {
    const grammar = 'root ::= "q"';
    const tokens = [...texts.keys()].filter((token) => texts[token] === "q");
    const logitBias = new Map(tokens.map((token) => [token, -Infinity]));
    for (const options of [{ temperature: 0 }, { temperature: 1 }, { temperature: 1, topK: 0 }]) {
      await expect(first(grammar, { ...options, logitBias })).rejects.toMatchObject({
        code: "GRAMMAR",
        message: expect.stringContaining("No token of the model continues the grammar"),
      });
    }
    expect(texts[await first(grammar, { temperature: 0 })]).toBe("q");
  });

  const levels = (count: number, rule: (name: string, next: string) => string): string =>
    Array.from({ length: count }, (_, index) => rule(index === 0 ? "root" : `r${index}`, `r${index + 1}`)).join("\n");

  it.each([
    ["parentheses behind a quote in a comment", `# "\nroot ::= ${"(".repeat(200_000)}`],
    ["a repetition behind a comment", `root ::= (${'"long" '.repeat(5000)}){1, # }\n 2000}`],
    [
      "a rule that begins with itself behind one that may be empty",
      'root ::= b root "y" | "x"\nb ::= c\nc ::= "" | "z"',
    ],
    [
      "more ways to begin than there is memory",
      `${levels(30, (name, next) => `${name} ::= ${next} ${next} | ""`)}\nr30 ::= "x"`,
    ],
    [
      "rules that begin with one another too deeply",
      `${levels(9000, (name, next) => `${name} ::= ${next}`)}\nr9000 ::= "x"`,
    ],
  ])("with %s is GRAMMAR, and the context goes on", async (_, grammar) => {
    await expect(first(grammar, {})).rejects.toMatchObject({ code: "GRAMMAR" });
    expect(texts[await first('root ::= "q"', {})]).toBe("q");
  });

  it("that has more ways to go on with each character is GRAMMAR when these are too many", async () => {
    const grammar = 'root ::= s\ns ::= "a" s "b" | "a" s "c" | "d"';
    const logitBias = new Map([[texts.indexOf("a"), 100]]);
    const request = { prompt, grammar, logitBias, temperature: 0 };
    expect((await context.generate({ ...request, maxTokens: 4 })).text).toBe("aaaa");
    await expect(context.generate({ ...request, maxTokens: 64 })).rejects.toMatchObject({ code: "GRAMMAR" });
    expect(texts[await first('root ::= "q"', {})]).toBe("q");
  });

  it("may have rules that lead to the same ones many times over", async () => {
    const grammar = `${levels(60, (name, next) => `${name} ::= ${next} | ${next}`)}\nr60 ::= "x"`;
    expect(texts[await first(grammar, {})]).toBe("x");
  });

  it("is made of a JSON schema", async () => {
    const jsonSchema = {
      type: "object",
      properties: { n: { type: "integer", minimum: 3, maximum: 5 }, word: { enum: ["yes", "no"] } },
      required: ["n", "word"],
      additionalProperties: false,
    };
    for (let seed = 1; seed <= 6; seed++) {
      const { text, finishReason } = await context.generate({ prompt, jsonSchema, temperature: 1, seed });
      expect(finishReason).toBe("stop");
      const { n, word, ...more } = JSON.parse(text) as Record<string, unknown>;
      expect([3, 4, 5]).toContain(n);
      expect(["yes", "no"]).toContain(word);
      expect(more).toEqual({});
    }
  });

  it("gives other members of a JSON schema's object no name that has a schema of its own", async () => {
    const schemas = [
      { properties: { a: { type: "boolean" }, ab: { type: "boolean" } }, additionalProperties: { type: "integer" } },
      { required: ["b"], additionalProperties: { type: "integer" } },
    ];
    const liked = [...texts.keys()].filter((token) => /^["a5]$/.test(texts[token] ?? ""));
    const logitBias = new Map(liked.map((token) => [token, 30]));
    let others = 0;
    for (const schema of schemas) {
      for (let seed = 1; seed <= 12; seed++) {
        const request = {
          prompt,
          jsonSchema: { type: "object", ...schema },
          temperature: 1,
          seed,
          logitBias,
          maxTokens: 60,
        };
        const { text } = await context.generate(request);
        for (const [, key = "", value = ""] of text.matchAll(/"((?:[^"\\]|\\.)*)":\s*(\w)/g)) {
          const isNamed = "properties" in schema && (key === "a" || key === "ab");
          expect(value, text).toMatch(isNamed ? /[tf]/ : /\d/);
          if (!isNamed) others++;
        }
      }
    }
    expect(others).toBeGreaterThan(10);
  });

  it("ends where nothing else is left, also where tokens that end a text are to be ignored", async () => {
    for (const options of [{ temperature: 0 }, { temperature: 1, seed: 1 }, { temperature: 1, topK: 0, seed: 1 }]) {
      const { text, finishReason } = await context.generate({
        prompt,
        grammar: 'root ::= "q"',
        ignoreEos: true,
        ...options,
      });
      expect([text, finishReason]).toEqual(["q", "stop"]);
    }
  });

  it("ends where it is fulfilled, or goes on where it may", async () => {
    const { text, finishReason } = await context.generate({ prompt, grammar: 'root ::= "q" ("z")?', maxTokens: 8 });
    expect(text).toMatch(/^qz?$/);
    expect(finishReason).toBe("stop");
  });
});
