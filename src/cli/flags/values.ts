import { InvalidOptionError } from "../../errors.js";

const decimal = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

/** A number written in decimal; any other text is returned as it is. */
export function number(text: string): number | string {
  return decimal.test(text) ? Number(text) : text;
}

/** Numbers separated by commas. */
export function numbers(text: string): (number | string)[] {
  return text.split(",").map((item) => number(item.trim()));
}

/** Names separated by commas, in kebab case or as the library has them. */
export function camelCaseNames(text: string): string[] {
  return text.split(",").map((name) => name.trim().replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()));
}

/** Names separated by commas, or `none`. */
export function deviceNames(text: string): string[] {
  return text === "none" ? [] : text.split(",").map((name) => name.trim());
}

/** Each `<pattern>=<device>`. */
export function tensorOverrides(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text): [string, string] => {
      const [, pattern, device] = /^(.+)=([^=]+)$/s.exec(text) ?? []; // at the last `=`: a pattern may hold one
      if (pattern === undefined || device === undefined)
        throw new InvalidOptionError("tensorOverrides", "<pattern=device>", text);
      return [pattern, device];
    }),
  );
}

/** `q8_0` for keys and values alike, or `q8_0,f16`. */
export function kvType(text: string): string | { k: string; v: string } {
  const [k = "", v, ...more] = text.split(",");
  return v === undefined || more.length > 0 ? text : { k, v };
}

/** The text of a JSON object. */
export function jsonObject(option: string): (text: string) => unknown {
  return (text) => {
    const value = parseJson(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    throw new InvalidOptionError(option, "a JSON object", text);
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Each `<token id or text>=<bias>`, where `-inf` forbids the token. */
export function logitBias(texts: readonly string[]): Map<number | string, unknown> {
  return new Map(
    texts.map((text) => {
      const [, key, bias] = /^(.+)=(.*)$/s.exec(text) ?? []; // at the last `=`: the token may hold one
      if (key === undefined || bias === undefined) throw new InvalidOptionError("logitBias", "<token=bias>", text);
      const token = /^(0|[1-9]\d*)$/.test(key) ? Number(key) : key;
      return [token, /^-inf(inity)?$/i.test(bias) ? -Infinity : number(bias)];
    }),
  );
}

/** Each `<key>=<value>`, or `<key>=<type>:<value>` where the value does not tell its type. */
export function metadataOverrides(texts: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    texts.map((text): [string, unknown] => {
      const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
      if (key === undefined || value === undefined)
        throw new InvalidOptionError("metadataOverrides", "<key=value>", text);
      const [, type, typed = ""] = /^(int|float|bool|string):(.*)$/s.exec(value) ?? [];
      if (type === undefined) return [key, numberOrBoolean(value)];
      return [key, { type, value: type === "string" ? typed : numberOrBoolean(typed) }];
    }),
  );
}

function numberOrBoolean(text: string): number | boolean | string {
  return text === "true" || text === "false" ? text === "true" : number(text);
}
