import { describe, expect, it } from "vitest";

import { jsonSchemaGrammar } from "../../src/sampling/json-schema/json-schema-grammar.js";
import { otherKey } from "../../src/sampling/json-schema/other-keys.js";
import { integerRange, numberRange } from "../../src/sampling/json-schema/number-range.js";
import { cpuTime } from "../support/cpu-time.js";

describe("keywords that hold together", () => {
  const grammar = (schema: object): string => jsonSchemaGrammar(schema);

  it("stand beside a reference", () => {
    const $defs = { s: { type: "string" } };
    const whole = { type: "string", maxLength: 5 };
    expect(grammar({ $ref: "#/$defs/s", maxLength: 5, $defs })).toBe(grammar({ ...whole, $defs }));
    expect(() => grammar({ $ref: "#/$defs/s", contentEncoding: "x", $defs })).toThrow("contentEncoding");
    expect(grammar({ $ref: "#/$defs/s", title: "A word", $defs })).toBe(grammar({ $ref: "#/$defs/s", $defs }));
  });

  it("stand beside a reference within allOf and anyOf, too", () => {
    const $defs = { base: { type: "object", properties: { x: { type: "string" }, y: { type: "string" } } } };
    const required = grammar({ ...$defs.base, required: ["x"] });
    const reference = { $ref: "#/$defs/base", required: ["x"] };
    expect(grammar({ allOf: [reference], $defs })).toBe(required);
    expect(grammar({ allOf: [{ $ref: "#/$defs/more" }], $defs: { ...$defs, more: reference } })).toBe(required);
    const nothing = { type: "object" };
    expect(grammar({ ...nothing, anyOf: [reference], $defs })).toBe(
      grammar({ anyOf: [{ allOf: [nothing, { ...$defs.base, required: ["x"] }] }] }),
    );
    expect(() => grammar({ allOf: [{ $ref: "#", type: "object" }], title: "endless" })).toThrow("levels of nesting");
  });

  it("are those of one property in several parts of allOf", () => {
    const part = (k: object): object => ({ properties: { k } });
    const both = grammar({ allOf: [part({ type: "string" }), part({ type: "string", maxLength: 3 })] });
    expect(both).toBe(grammar({ allOf: [part({ type: "string", maxLength: 3 })] }));
    expect(() => grammar({ allOf: [part({ type: "string" }), part({ type: "number" })] })).toThrow("allOf");
  });

  it("are refused where a name is required that may not be", () => {
    const schema = { type: "object", properties: {}, required: ["a"], additionalProperties: false };
    expect(() => grammar(schema)).toThrow("required");
  });
});

describe("keys other than these", () => {
  /** Classes of letters, groups and quotes, which regular expressions write almost alike. */
  const accepts = (names: string[], key: string): boolean => {
    const source = otherKey(names, "string")
      .replaceAll('"\\""', "'")
      .replaceAll('""', "")
      .replaceAll(" ", "")
      .replace(/\\U([0-9a-f]{8})/g, (_, hex: string) => `\\u{${hex.replace(/^0+/, "")}}`)
      .replaceAll("'", '"');
    return new RegExp(`^${source}$`, "u").test(`"${key}"`);
  };
  const names = ["a", "ab", "b-c", "]", "\u{1f600}x", "café"];

  it.each(names)("are not %s", (name) => {
    expect(accepts(names, name)).toBe(false);
  });

  it.each(["", "b", "abc", "ba", "b-", "b-cd", "]]", "^", "\u{1f600}", "\u{1f600}y", "caf", "cafe", "-"])(
    "may be %j",
    (key) => {
      expect(accepts(names, key)).toBe(true);
    },
  );

  it("begin like none of many or long names, as far as these can be told apart", () => {
    const long = "x".repeat(200);
    expect([accepts([long], long), accepts([long], `${long}y`), accepts([long], "xxy"), accepts([long], "x")]).toEqual([
      false,
      false,
      true,
      true,
    ]);
    const many = Array.from({ length: 400 }, (_, index) => `name_of_property_${index}`);
    for (const name of many) expect(accepts(many, name)).toBe(false);
    expect(accepts(many, "another")).toBe(true);
    expect(otherKey(many, "string").split("(").length).toBeLessThan(1002);
  });

  it("are any where there are none", () => {
    expect(otherKey([], "string")).toBe("string");
  });
});

/** The grammar of a range holds nothing but literals, digits and groups, which regular expressions write almost alike. */
function asPattern(range: string): RegExp {
  const source = range.replace(/"([^"]*)"/g, (_, text: string) => text.replace(/[.-]/g, "\\$&")).replace(/ /g, "");
  return new RegExp(`^(?:${source})$`);
}

describe("ranges of integers", () => {
  it.each([
    [0, 9],
    [3, 120],
    [-5, 5],
    [-120, -7],
    [10, 10],
    [99, 1001],
    [0, 0],
    [19, 200],
    [101, 345],
  ])("%i to %i, and no other", (min, max) => {
    const pattern = asPattern(integerRange({ min: BigInt(min), max: BigInt(max) }));
    for (let value = -1500; value <= 1500; value++) {
      expect(pattern.test(String(value)), String(value)).toBe(value >= min && value <= max);
    }
  });

  it("are open where there is no bound", () => {
    const pattern = asPattern(integerRange({ min: 17n, max: undefined }));
    expect(["16", "17", "18", "123456789012", "-20"].map((text) => pattern.test(text))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
  });
});

describe("ranges of numbers", () => {
  it.each([
    [0, 1],
    [-1, 1],
    [-3, -2],
    [5, 12],
  ])("%i to %i, and no other", (min, max) => {
    const pattern = asPattern(numberRange({ min: BigInt(min), max: BigInt(max) }));
    for (let step = -1500; step <= 1500; step++) {
      const text = String(step / 100);
      expect(pattern.test(text), text).toBe(step / 100 >= min && step / 100 <= max);
    }
  });
});

describe("jsonSchemaGrammar", () => {
  it.each([
    [{ type: "object", minProperties: 1 }, "schema.minProperties"],
    [{ type: "object", properties: { a: { type: "string", pattern: "(?=x)" } } }, "schema.properties.a.pattern"],
    [{ type: "thing" }, "schema.type"],
    [{ $ref: "#/nowhere" }, "schema.$ref"],
    [{ $ref: "http://x/y" }, "schema.$ref"],
    [{ type: "integer", minimum: 3, maximum: 2 }, "schema.maximum"],
    [{ type: "array", minItems: -1 }, "schema.minItems"],
    [{ anyOf: [] }, "schema.anyOf"],
    [false, "schema"],
    ["x", "schema"],
    [{ allOf: [{ type: "string" }, { type: "null" }] }, "schema.allOf[1].type"],
  ])("refuses %j by the path of what is wrong", (schema, option) => {
    const details = expect.objectContaining({ option }) as unknown;
    expect(() => jsonSchemaGrammar(schema)).toThrow(expect.objectContaining({ code: "INVALID_OPTION", details }));
  });

  it("takes references that go round, once a rule", () => {
    const schema = {
      $defs: { tree: { type: "object", properties: { children: { type: "array", items: { $ref: "#/$defs/tree" } } } } },
      $ref: "#/$defs/tree",
    };
    const grammar = jsonSchemaGrammar(schema);
    expect(grammar.match(/^ref-defs-tree ::=/gm)).toHaveLength(1);
  });

  it("has a rule for every name it uses", () => {
    const schema = {
      type: "object",
      properties: {
        'odd "name"': { type: ["string", "null"] },
        when: { type: "string", format: "date-time" },
        list: { type: "array", items: { anyOf: [{ type: "number" }, { const: "x" }] }, maxItems: 3 },
        rest: { type: "object", additionalProperties: { type: "boolean" } },
      },
      required: ["when"],
      additionalProperties: true,
    };
    const grammar = jsonSchemaGrammar(schema);
    const defined = new Set([...grammar.matchAll(/^([\w-]+) ::=/gm)].map(([, name]) => name));
    const bodies = grammar.replace(/^[\w-]+ ::=/gm, "").replace(/"(\\.|[^"\\])*"|\[(\\.|[^\]\\])*\]|\{[\d,]*\}/g, " ");
    for (const [name] of bodies.matchAll(/[a-zA-Z][\w-]*/g)) expect(defined).toContain(name);
  });

  describe("refuses what would be too large a grammar by the schema's name, and soon", () => {
    const many = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);
    const words = (characters: number): string[] => Array.from({ length: characters / 10 }, (_, i) => `word-${i}`);
    const big = { enum: words(400_000) };
    const wide = { properties: Object.fromEntries(words(400_000).map((word) => [word, true])) };
    const narrow = { properties: { a: true } };
    const idle = { allOf: many(50_000, {}) };
    const far = "k".repeat(400_000);
    const refers = { $ref: "#/$defs/big", type: "string" };
    const nothing = { $ref: "#/$defs/big", type: "null" };
    const pattern = `([${"a".repeat(8000)}]){0}`;
    const dots = ".".repeat(400_000);
    const lists = { properties: Object.fromEntries(words(40_000).map((word) => [word, { type: "array" }])) };
    const alike = Object.fromEntries(words(60_000).map((word) => [`${"n".repeat(60)}${word}`, {}]));

    it.each<[string, object]>([
      ["one part again and again", { type: "array", prefixItems: many(3000, refers), $defs: { big } }],
      ["the same in a union", { anyOf: many(3000, refers), $defs: { big } }],
      ["parts that are compared again and again", { type: "object", allOf: many(9000, [wide, narrow]).flat() }],
      ["parts that say nothing", { anyOf: many(4000, nothing), $defs: { big: idle } }],
      [
        "a path that is followed again and again",
        { anyOf: many(4000, nothing), $defs: { big: { $ref: `#/$defs/${far}`, type: "null" }, [far]: {} } },
      ],
      ["a long pattern again and again", { anyOf: many(3000, { type: "string", pattern }) }],
      ["a long name above many", { properties: { [dots]: lists } }],
      ["names that begin alike", { properties: alike }],
    ])("%s", (_, schema) => {
      const refusal = expect.objectContaining({
        details: { option: "format" },
        message: expect.stringContaining("a smaller schema") as string,
      }) as unknown;
      const convert = (): void => expect(() => jsonSchemaGrammar(schema, { name: "format" })).toThrow(refusal);
      expect(cpuTime(convert)).toBeLessThan(1500);
    });

    it("and takes one type for as many as there are of it", () => {
      const range = { minimum: 12_345, maximum: 98_765_432_101 };
      const types = many(50_000, "integer");
      expect(jsonSchemaGrammar({ type: types, ...range })).toBe(jsonSchemaGrammar({ type: "integer", ...range }));
    });

    it("but not what is long and within it", () => {
      expect(jsonSchemaGrammar({ ...big, $defs: { big } })).toContain("word-39999");
      const tuple = jsonSchemaGrammar({ prefixItems: [refers, { type: "null" }], $defs: { big } });
      expect(tuple.split("word-39999")).toHaveLength(2);
    });
  });
});
