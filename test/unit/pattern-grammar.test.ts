import { describe, expect, it } from "vitest";
import { z } from "zod";

import { jsonSchemaGrammar } from "../../src/sampling/json-schema/json-schema-grammar.js";
import { patternGrammar } from "../../src/sampling/json-schema/pattern-grammar.js";

/** These grammars hold nothing but literals, classes, groups and repetitions, which regular expressions write almost alike. */
function toRegExp(grammar: string): RegExp {
  const source = grammar.replace(/"((?:[^"\\]|\\.)*)"|\[[^\]]*\]| /g, (part, text: string | undefined) => {
    if (part === " ") return "";
    if (text === undefined) return part.replace(/\\U0*([\dA-F]+)/g, "\\u{$1}");
    const plain = text.replace(/\\x([\dA-F]{2})|\\(.)/g, (_, hex: string | undefined, character: string) =>
      hex === undefined ? character : String.fromCharCode(parseInt(hex, 16)),
    );
    return plain.replace(/[$()*+./?[\\\]^{|}]/g, "\\$&");
  });
  return new RegExp(`^(?:${source})$`, "u");
}

const asJson = (text: string): string => JSON.stringify(text).slice(1, -1);

describe("patternGrammar", () => {
  it.each<[pattern: string, texts: string[]]>([
    ["^a(b|cd)?e*$", ["a", "ab", "acd", "abeee", "ae", "abcd", "b", ""]],
    ["^[A-Z]{2}-\\d{3,5}$", ["AB-123", "AB-12345", "AB-12", "AB-123456", "A-123", "ab-123"]],
    ["x", ["x", "axb", "ab", "", 'a"x', "x\\"]],
    ["^(?:yes|no)", ["yes", "no, never", "maybe", "eyes"]],
    ["end$|^begin", ["the end", "beginning", "ending", "rebegin", "begin the end"]],
    ['^["\\\\]$', ['"', "\\", "a", '""']],
    ["^[^a-c]+$", ["xyz", "xaz", '"', "\\", "\n", "ß", "😀"]],
    ["^.$", ["a", "😀", "\n", "", "ab", '"']],
    ["^\\w+@\\w+\\.(com|org)$", ["a_1@b.com", "a@b.net", "@b.com", "a@b_com"]],
    ["^[\\w.+-]+$", ["a.b+c-d_e", "a b", "", "-"]],
    ["^[\\u00c0-\\u00ff\\x41]+$", ["ÀÿA", "a", "B"]],
    ["^(?<year>\\d{4})?$", ["2020", "", "202"]],
    ["^a??b+?$", ["b", "abb", "aab"]],
    ["^a{0}b{1,}$", ["b", "bbb", "ab", ""]],
    ["^(a|)b$", ["ab", "b", "aab"]],
    ["^[a-]$", ["a", "-", "b"]],
    ["^\\/\\.[\\-]$", ["/.-", "/a-"]],
    ["", ["", "anything", "\\"]],
  ])("%s", (pattern, texts) => {
    const grammar = toRegExp(patternGrammar(pattern));
    for (const text of texts) expect(grammar.test(asJson(text)), text).toBe(new RegExp(pattern, "u").test(text));
  });

  it.each<[kind: string, schema: z.ZodType, texts: string[]]>([
    ["email", z.email(), ["a.b@c.de", "a@b", "a..b@c.de", "a+b_c@d-e.f.gh", "ab@c.d"]],
    ["date", z.iso.date(), ["2024-02-29", "2023-02-29", "2023-12-31", "2023-13-01", "2023-04-31"]],
    ["time", z.iso.time(), ["12:30", "23:59:59.5", "24:00", "1:00"]],
    ["date and time", z.iso.datetime(), ["2024-02-29T12:30:00Z", "2024-02-29T12:30:00+01:00", "2024-02-29"]],
    ["uuid", z.uuid(), ["123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-92d3-a456-426614174000", "x"]],
    ["IPv4", z.ipv4(), ["0.0.0.0", "255.255.255.255", "256.1.1.1", "1.1.1"]],
  ])("zod's own pattern of %s, format and all", (_, schema, texts) => {
    const { pattern } = z.toJSONSchema(schema);
    expect(() => jsonSchemaGrammar(z.toJSONSchema(schema))).not.toThrow();
    const grammar = toRegExp(patternGrammar(pattern ?? ""));
    for (const text of texts) expect(grammar.test(asJson(text)), text).toBe(schema.safeParse(text).success);
  });

  it.each([
    ["(?=a)b", "lookarounds"],
    ["(?<!a)b", "lookarounds"],
    ["(a)\\1", "\\1"],
    ["\\bword", "\\b"],
    ["\\p{L}", "\\p"],
    ["a^b", "anchors within it"],
    ["(a$|b)c", "anchors within it"],
    ["((a{100}){100}){100}", "more than 1000 repetitions"],
    [`${"(".repeat(70)}a${")".repeat(70)}`, "more than 64 groups"],
    ["(a", "mistakes"],
    ["[]", "sets without a character"],
  ])("refuses %s for its %s", (pattern, reason) => {
    expect(() => patternGrammar(pattern)).toThrow(reason);
  });

  it("refuses a very long one before it is translated", () => {
    expect(() => patternGrammar(`[${"a".repeat(9000)}]`)).toThrow("more than 8192 characters");
  });
});
