import { InvalidOptionError } from "../../errors.js";
import { GrammarRules, GrammarSizeError, literal, mostRepeats, oneOfThese } from "./grammar-rules.js";
import { integerRange, numberRange } from "./number-range.js";
import { otherKey } from "./other-keys.js";
import { PatternError, patternGrammar } from "./pattern-grammar.js";

/** A JSON schema, or true for any value. */
type Schema = Readonly<Record<string, unknown>> | true;

const deepest = 64;
/** Translating a character of a pattern takes so much more than copying one. */
const patternCost = 8;

/** Keywords that say nothing of which values are valid. */
const annotations = new Set(
  "$schema $id $anchor $comment $defs definitions title description default examples deprecated readOnly writeOnly strict".split(
    " ",
  ),
);
/** Keywords that hold for values of one type. */
const typeKeywords: Readonly<Record<string, readonly string[]>> = {
  object: ["properties", "required", "additionalProperties"],
  array: ["items", "prefixItems", "minItems", "maxItems"],
  string: ["minLength", "maxLength", "format", "pattern"],
  number: ["minimum", "maximum"],
  integer: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
  boolean: [],
  null: [],
};
const types = Object.keys(typeKeywords);
const combining = ["type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"];

const empty = `""`;

const digits = (count: number): string => `[0-9]{${count}}`;
const datePattern = `${digits(4)} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])`;
const timePattern = `([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,9})? ("Z" | [+-] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])`;
const byte = `("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9]? [0-9])`;
const hex = (count: number): string => `[0-9a-fA-F]{${count}}`;
const formats: Readonly<Record<string, string>> = {
  date: datePattern,
  time: timePattern,
  "date-time": `${datePattern} "T" ${timePattern}`,
  uuid: [8, 4, 4, 4, 12].map(hex).join(` "-" `),
  ipv4: [byte, byte, byte, byte].join(` "." `),
  email: `[a-zA-Z0-9_+-]{1,32} ("." [a-zA-Z0-9_+-]{1,32}){0,3} "@" ([a-zA-Z0-9] [a-zA-Z0-9-]{0,30} "."){1,4} [a-zA-Z]{2,12}`,
};

/**
 * A GBNF grammar for JSON texts that the schema accepts, for the `grammar` option of a request; `name` is how messages name it. Objects have the listed
 * properties in their order, and others only where `additionalProperties` asks for them, or nothing is said of any. Throws `INVALID_OPTION` for a
 * schema that is none, and for keywords that no grammar can keep, by their path.
 *
 * Known: type, enum, const, properties, required, additionalProperties, items, prefixItems, minItems, maxItems, minLength,
 * maxLength, pattern (but for what is not regular, as lookarounds), minimum and maximum (whole numbers), exclusiveMinimum and exclusiveMaximum (of integers), anyOf, oneOf, allOf
 * (of objects), $ref within the schema, and the formats date, time, date-time, uuid, ipv4 and email.
 */
export function jsonSchemaGrammar(schema: unknown, { name = "schema" }: { name?: string } = {}): string {
  return jsonSchemaRules([{ rule: "root", schema, name }]);
}

/** Rules for several schemas in one grammar; `name` is how messages name a schema. References are within each. */
export function jsonSchemaRules(
  schemas: readonly { readonly rule: string; readonly schema: unknown; readonly name: string }[],
): string {
  const rules = new GrammarRules();
  for (const { rule, schema, name } of schemas) {
    try {
      new Converter(schema, rules, name).addAs(rule);
    } catch (error) {
      if (!(error instanceof GrammarSizeError)) throw error;
      throw new InvalidOptionError(name, "a smaller schema", schema);
    }
  }
  return rules.toString();
}

/** A GBNF grammar for JSON objects of any content. */
export function jsonObjectGrammar(): string {
  const rules = new GrammarRules();
  rules.set("root", rules.common("object"));
  return rules.toString();
}

class Converter {
  readonly #schema: Schema;
  readonly #name: string;
  readonly #rules: GrammarRules;
  readonly #references = new Map<string, string>();

  constructor(schema: unknown, rules: GrammarRules, name: string) {
    this.#name = name;
    this.#rules = rules;
    this.#schema = this.#asSchema(schema, name);
  }

  addAs(root: string): void {
    this.#rules.set(root, "");
    this.#rules.set(root, this.#value(this.#schema, this.#name, 0));
  }

  /** The right side of a rule for values of a schema. */
  #value(schema: Schema, path: string, depth: number): string {
    if (depth > deepest) throw new InvalidOptionError(path, `at most ${deepest} levels of nesting`, schema);
    if (schema === true) return this.#rules.common("value");
    if (schema["const"] !== undefined) return literal(JSON.stringify(schema["const"]));
    if (schema["enum"] !== undefined) return this.#enumeration(schema["enum"], `${path}.enum`);
    if (schema["$ref"] !== undefined) return this.#reference(schema, path, depth);
    if (schema["allOf"] !== undefined) return this.#value(this.#merged(schema, path, depth), path, depth + 1);
    for (const union of ["anyOf", "oneOf"]) {
      if (schema[union] !== undefined) return this.#union(schema, union, path, depth);
    }
    return this.#typed(schema, path, depth);
  }

  #typed(schema: Exclude<Schema, true>, path: string, depth: number): string {
    const given = schema["type"] ?? this.#impliedType(schema);
    const named = [...new Set(Array.isArray(given) ? (given as unknown[]) : [given])];
    this.#checkKeywords(schema, named, path);
    if (given === undefined) return this.#rules.common("value");
    const alternatives = named.map((type) => {
      switch (type) {
        case "object":
          return this.#object(schema, path, depth);
        case "array":
          return this.#array(schema, path, depth);
        case "string":
          return this.#string(schema, path);
        case "number":
          return this.#number(schema, path);
        case "integer":
          return this.#integer(schema, path);
        case "boolean":
        case "null":
          return this.#rules.common(type);
        default:
          throw new InvalidOptionError(`${path}.type`, `one of ${types.join(", ")}`, type);
      }
    });
    if (alternatives.length === 0) throw new InvalidOptionError(`${path}.type`, "at least one type", given);
    return oneOfThese(alternatives);
  }

  #impliedType(schema: Exclude<Schema, true>): string | undefined {
    return ["object", "array", "string"].find((type) => typeKeywords[type]?.some((keyword) => keyword in schema));
  }

  #checkKeywords(schema: Exclude<Schema, true>, named: readonly unknown[], path: string): void {
    const known = new Set([...combining, ...named.flatMap((name) => typeKeywords[String(name)] ?? [])]);
    for (const [keyword, value] of Object.entries(schema)) {
      if (known.has(keyword) || annotations.has(keyword) || value === undefined) continue;
      throw new InvalidOptionError(`${path}.${keyword}`, "no value, as a grammar cannot keep this keyword", value);
    }
  }

  #enumeration(values: unknown, path: string): string {
    if (!Array.isArray(values) || values.length === 0) throw new InvalidOptionError(path, "an array of values", values);
    return oneOfThese(values.map((value: unknown) => literal(JSON.stringify(value))));
  }

  #reference({ $ref: target, ...others }: Exclude<Schema, true>, path: string, depth: number): string {
    // What stands beside a reference holds as well.
    if (this.#hasKeywords(others)) {
      const { allOf = [], ...own } = others;
      if (!Array.isArray(allOf)) throw new InvalidOptionError(`${path}.allOf`, "an array of schemas", allOf);
      return this.#value({ ...own, allOf: [{ $ref: target }, ...(allOf as unknown[])] }, path, depth + 1);
    }
    if (typeof target !== "string" || !target.startsWith("#")) {
      throw new InvalidOptionError(`${path}.$ref`, "a reference within the schema, as #/$defs/name", target);
    }
    const known = this.#references.get(target);
    if (known !== undefined) return known;
    const rule = this.#rules.reserve(`ref-${target.slice(2)}`);
    this.#references.set(target, rule);
    this.#rules.set(rule, this.#value(this.#resolve(target, path), path, depth + 1));
    return rule;
  }

  #resolve(target: string, path: string): Schema {
    this.#rules.count(target.length);
    let found: unknown = this.#schema;
    for (const part of target.slice(1).split("/").slice(1)) {
      const key = decodePointer(part);
      const isOwn = typeof found === "object" && found !== null && Object.hasOwn(found, key);
      found = isOwn ? (found as Record<string, unknown>)[key] : undefined;
    }
    if (found === undefined)
      throw new InvalidOptionError(`${path}.$ref`, "a reference to a part of the schema", target);
    return this.#asSchema(found, path);
  }

  #union(schema: Exclude<Schema, true>, keyword: string, path: string, depth: number): string {
    const { [keyword]: branches, ...shared } = schema;
    if (!Array.isArray(branches) || branches.length === 0) {
      throw new InvalidOptionError(`${path}.${keyword}`, "an array of schemas", branches);
    }
    const alternatives = branches.map((branch: unknown, index) => {
      const at = `${path}.${keyword}[${index}]`;
      const whole = this.#hasKeywords(shared) ? { allOf: [shared, branch] } : this.#asSchema(branch, at);
      return this.#rules.add(`${lastPart(path)}-${index}`, this.#value(whole, at, depth + 1));
    });
    return oneOfThese(alternatives);
  }

  /** One schema for all of `allOf`, as far as they do not contradict each other. */
  #merged(schema: Exclude<Schema, true>, path: string, depth: number): Schema {
    const { allOf, ...own } = schema;
    if (!Array.isArray(allOf)) throw new InvalidOptionError(`${path}.allOf`, "an array of schemas", allOf);
    const merged: Record<string, unknown> = {};
    for (const [index, part] of [own, ...(allOf as unknown[])].entries()) {
      const at = `${path}.allOf[${index - 1}]`;
      this.#rules.count(at.length);
      const resolved = this.#inlined(this.#asSchema(part, at), at, depth);
      if (resolved === true) continue;
      for (const [keyword, value] of Object.entries(resolved)) {
        if (annotations.has(keyword)) continue;
        merged[keyword] = this.#mergeKeyword(keyword, merged[keyword], value, at);
      }
    }
    return merged;
  }

  #mergeKeyword(keyword: string, earlier: unknown, value: unknown, path: string): unknown {
    if (earlier === undefined || earlier === value) return value;
    const texts = [JSON.stringify(earlier), JSON.stringify(value)] as const;
    this.#rules.count(texts[0].length + texts[1].length);
    if (texts[0] === texts[1]) return value;
    if (keyword === "properties") return mergeProperties(earlier as object, value as object);
    if (keyword === "required") return [...(earlier as unknown[]), ...(value as unknown[])];
    throw new InvalidOptionError(`${path}.${keyword}`, "no second value within allOf", value);
  }

  #hasKeywords(schema: Exclude<Schema, true>): boolean {
    return Object.keys(schema).some((keyword) => !annotations.has(keyword));
  }

  /** What a reference stands for, with what stands beside it. */
  #inlined(schema: Schema, path: string, depth: number): Schema {
    if (schema === true || typeof schema["$ref"] !== "string") return schema;
    if (depth > deepest) throw new InvalidOptionError(path, `at most ${deepest} levels of nesting`, schema);
    const { $ref, ...others } = schema;
    const target = this.#inlined(this.#resolve($ref, path), path, depth + 1);
    return this.#hasKeywords(others) ? this.#merged({ allOf: [target, others] }, path, depth + 1) : target;
  }

  #object(schema: Exclude<Schema, true>, path: string, depth: number): string {
    const { properties: given = {}, required = [], additionalProperties } = schema;
    if (typeof given !== "object" || given === null || Array.isArray(given)) {
      throw new InvalidOptionError(`${path}.properties`, "an object", given);
    }
    if (!Array.isArray(required)) throw new InvalidOptionError(`${path}.required`, "an array of names", required);
    const missing = required.map(String).filter((name) => !Object.hasOwn(given, name));
    if (missing.length > 0 && additionalProperties === false)
      throw new InvalidOptionError(`${path}.required`, "names of properties, as there may be no others", missing[0]);
    const unnamed = additionalProperties ?? true;
    const properties = [...Object.entries(given), ...missing.map((name) => [name, unnamed] as const)];
    const others = additionalProperties ?? (schema["properties"] === undefined && properties.length === 0);
    const names = properties.map(([key]) => key);
    this.#rules.count(names.join().length);
    const ws = this.#rules.common("ws");
    const name = lastPart(path);
    const othersRule = others === false ? undefined : this.#additional(others, names, path, depth);
    // Built from the end: what may follow property `index` with and without one before it.
    const separated = othersRule === undefined ? empty : `("," ${ws} ${othersRule})?`;
    let after = { some: separated, none: othersRule === undefined ? empty : `${othersRule}?` };
    const needed = new Set<unknown>(required);
    for (const [key, value] of properties.reverse()) {
      const at = `${path}.properties.${shortened(key)}`;
      const body = this.#value(this.#asSchema(value, at), at, depth + 1);
      const member = this.#rules.add(`${name}-${key}`, `${literal(JSON.stringify(key))} ":" ${ws} ${body}`);
      after = this.#before(member, needed.has(key), after, `${name}-${key}`);
    }
    return `"{" ${ws} ${after.none} ${ws} "}"`;
  }

  #before(
    member: string,
    isRequired: boolean,
    after: { some: string; none: string },
    name: string,
  ): { some: string; none: string } {
    const ws = this.#rules.common("ws");
    const some = `"," ${ws} ${member} ${after.some}`;
    const none = `${member} ${after.some}`;
    if (isRequired) return { some, none };
    return {
      some: this.#rules.add(`${name}-more`, `${some} | ${after.some}`),
      none: this.#rules.add(`${name}-first`, `${none} | ${after.none}`),
    };
  }

  #additional(schema: unknown, names: readonly string[], path: string, depth: number): string {
    const at = `${path}.additionalProperties`;
    const ws = this.#rules.common("ws");
    const string = this.#rules.add(`${lastPart(path)}-key`, otherKey(names, this.#rules.common("string")));
    const value = this.#rules.add(`${lastPart(path)}-other`, this.#value(this.#asSchema(schema, at), at, depth + 1));
    const member = `${string} ":" ${ws} ${value}`;
    return `(${member} ("," ${ws} ${member})*)`;
  }

  #array(schema: Exclude<Schema, true>, path: string, depth: number): string {
    const { items = true, prefixItems = [] } = schema;
    const min = count(schema, "minItems", path) ?? 0;
    const max = count(schema, "maxItems", path);
    const ws = this.#rules.common("ws");
    if (!Array.isArray(prefixItems)) throw new InvalidOptionError(`${path}.prefixItems`, "an array", prefixItems);
    const fixed = prefixItems.map((item: unknown, index) => {
      const at = `${path}.prefixItems[${index}]`;
      return this.#rules.add(lastPart(at), this.#value(this.#asSchema(item, at), at, depth + 1));
    });
    if (fixed.length > 0) {
      if (schema["items"] !== undefined && items !== false) {
        throw new InvalidOptionError(`${path}.items`, "false behind prefixItems", items);
      }
      if (min > fixed.length || (max ?? fixed.length) !== fixed.length) {
        throw new InvalidOptionError(`${path}.minItems`, `${fixed.length}, as there are prefixItems`, max ?? min);
      }
      return `"[" ${ws} ${fixed.join(` "," ${ws} `)} ${ws} "]"`;
    }
    if (max !== undefined && max < min) throw new InvalidOptionError(`${path}.maxItems`, `at least ${min}`, max);
    if (max === 0) return `"[" ${ws} "]"`;
    const item = this.#rules.add(
      `${lastPart(path)}-item`,
      this.#value(this.#asSchema(items, `${path}.items`), `${path}.items`, depth + 1),
    );
    const more = repeats(Math.max(0, min - 1), max === undefined ? undefined : max - 1);
    const list = `${item} ("," ${ws} ${item})${more}`;
    return `"[" ${ws} ${min === 0 ? `(${list})?` : list} ${ws} "]"`;
  }

  #string(schema: Exclude<Schema, true>, path: string): string {
    const { format, pattern } = schema;
    const min = count(schema, "minLength", path);
    const max = count(schema, "maxLength", path);
    if (pattern !== undefined) {
      if (min !== undefined || max !== undefined) {
        throw new InvalidOptionError(`${path}.pattern`, "no value beside lengths", pattern);
      }
      return `"\\"" ${this.#pattern(pattern, `${path}.pattern`)} "\\""`; // a format beside it says the same less exactly
    }
    if (format !== undefined) {
      const rule = typeof format === "string" && Object.hasOwn(formats, format) ? formats[format] : undefined;
      if (rule === undefined || min !== undefined || max !== undefined) {
        throw new InvalidOptionError(
          `${path}.format`,
          `one of ${Object.keys(formats).join(", ")}, without lengths`,
          format,
        );
      }
      return `"\\"" ${rule} "\\""`;
    }
    if (min === undefined && max === undefined) return this.#rules.common("string");
    if (max !== undefined && max < (min ?? 0))
      throw new InvalidOptionError(`${path}.maxLength`, `at least ${min ?? 0}`, max);
    return `"\\"" ${this.#rules.common("char")}${repeats(min ?? 0, max)} "\\""`;
  }

  #pattern(pattern: unknown, path: string): string {
    if (typeof pattern !== "string") throw new InvalidOptionError(path, "a regular expression", pattern);
    this.#rules.count(pattern.length * patternCost);
    try {
      return this.#rules.add(lastPart(path), patternGrammar(pattern));
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      throw new InvalidOptionError(path, `a regular expression without ${error.message}`, pattern);
    }
  }

  #integer(schema: Exclude<Schema, true>, path: string): string {
    const min = highest(bound(schema, "minimum", path), shifted(bound(schema, "exclusiveMinimum", path), 1n));
    const max = lowest(bound(schema, "maximum", path), shifted(bound(schema, "exclusiveMaximum", path), -1n));
    if (min === undefined && max === undefined) return this.#rules.common("integer");
    checkOrder(min, max, path);
    return integerRange({ min, max });
  }

  #number(schema: Exclude<Schema, true>, path: string): string {
    const min = bound(schema, "minimum", path);
    const max = bound(schema, "maximum", path);
    if (min === undefined && max === undefined) return this.#rules.common("number");
    checkOrder(min, max, path);
    return numberRange({ min, max });
  }

  #asSchema(value: unknown, path: string): Schema {
    if (value === true) return true;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new InvalidOptionError(path, "a JSON schema that a value can satisfy", value);
    }
    return value as Exclude<Schema, true>;
  }
}

/** A property of both has to be as both want it. */
function mergeProperties(earlier: object, later: object): object {
  const merged = new Map<string, unknown>(Object.entries(earlier));
  for (const [name, schema] of Object.entries(later)) {
    const first = merged.get(name);
    merged.set(name, first === undefined ? schema : { allOf: [first, schema] });
  }
  return Object.fromEntries(merged);
}

function count(schema: Exclude<Schema, true>, keyword: string, path: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= mostRepeats) return value;
  throw new InvalidOptionError(`${path}.${keyword}`, `an integer from 0 to ${mostRepeats}`, value);
}

/** Bounds at the edge of what JavaScript's numbers count exactly are meant as none. */
function bound(schema: Exclude<Schema, true>, keyword: string, path: string): bigint | undefined {
  const value = schema[keyword];
  if (value === undefined || (typeof value === "number" && Math.abs(value) >= Number.MAX_SAFE_INTEGER))
    return undefined;
  if (typeof value !== "number" || !Number.isInteger(value)) {
    throw new InvalidOptionError(`${path}.${keyword}`, "a whole number", value);
  }
  return BigInt(value);
}

function shifted(value: bigint | undefined, by: bigint): bigint | undefined {
  return value === undefined ? undefined : value + by;
}

function highest(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a;
}

function lowest(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}

function checkOrder(min: bigint | undefined, max: bigint | undefined, path: string): void {
  if (min !== undefined && max !== undefined && max < min) {
    throw new InvalidOptionError(`${path}.maximum`, `at least ${min}`, Number(max));
  }
}

function repeats(min: number, max: number | undefined): string {
  return max === undefined ? (min === 0 ? "*" : `{${min},}`) : `{${min},${max}}`;
}

function decodePointer(part: string): string {
  let text = part;
  try {
    text = decodeURIComponent(part);
  } catch {
    // a percent sign that encodes nothing
  }
  return text.replace(/~1/g, "/").replace(/~0/g, "~");
}

/** A property's name within paths, of which there is one for each part of the schema. */
function shortened(key: string): string {
  return key.length > 100 ? `${key.slice(0, 99)}…` : key;
}

/** A name for rules, from where they come. */
function lastPart(path: string): string {
  return path.split(".").slice(-2).join("-").toLowerCase();
}
