import { InvalidOptionError } from "../errors.js";

/** Of objects and arrays within each other. What visits them calls itself for each, here and in templates, and stacks end. */
export const mostLevels = 256;

/** Whether a JSON value has at most so many levels. */
export function isShallow(value: unknown, levels = mostLevels): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((item) => isShallow(item, levels - 1));
}

/** The value as JSON would carry it: a copy without what JSON has no form for. Refuses cycles, bigints and what nests too deep. */
export function aJsonValue<T>(value: T, name: string): T {
  const copy = throughJson(value, name);
  if (!isShallow(copy)) throw new InvalidOptionError(name, `at most ${mostLevels} levels of nesting`, value);
  return copy;
}

function throughJson<T>(value: T, name: string): T {
  try {
    return JSON.parse(JSON.stringify(value)) as T;
  } catch {
    throw new InvalidOptionError(name, "a value that JSON can carry", value);
  }
}

/** A copy of a JSON value with every string (and with "keys too" every key) through `map`. */
export function mapStrings<T>(value: T, map: (text: string) => string, keys?: "keys too"): T {
  const visit = (item: unknown): unknown => {
    if (typeof item === "string") return map(item);
    if (Array.isArray(item)) return item.map(visit);
    if (typeof item !== "object" || item === null) return item;
    const entries = Object.entries(item).map(([key, inner]) => [keys === undefined ? key : map(key), visit(inner)]);
    return Object.fromEntries(entries) as unknown;
  };
  return visit(value) as T;
}

/** Whether any string of a JSON value, keys included, passes `test`. */
export function someString(value: unknown, test: (text: string) => boolean): boolean {
  if (typeof value === "string") return test(value);
  if (Array.isArray(value)) return value.some((item) => someString(item, test));
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, item]) => test(key) || someString(item, test));
}
