import { InvalidOptionError } from "./errors.js";

/** Returns the value as a `T`, or throws an {@link InvalidOptionError} that names the option. */
export type Check<T> = (value: unknown, name: string) => T;

/** How one option is read: a {@link Check} that also knows what it is when left out (`undefined`). */
export type Rule<T> = Check<T> & { readonly isRule: true };

export type RuleTable = Readonly<Record<string, Rule<unknown>>>;

/** What {@link readOptions} gives for a table. */
export type OptionsOf<Table extends RuleTable> = { [Name in keyof Table]: ReturnType<Table[Name]> };

/** Use as `satisfies RulesFor<Options>`: every option of a public interface has a rule, and no rule lacks its option. */
export type RulesFor<Options> = { readonly [Name in keyof Required<Options>]: Rule<unknown> };

function rule<T>(read: Check<T>): Rule<T> {
  return Object.assign(read, { isRule: true as const });
}

export function required<T>(check: Check<T>): Rule<T> {
  return rule((value, name) => check(value, name));
}

export function optional<T>(check: Check<T>): Rule<T | undefined> {
  return rule((value, name) => (value === undefined ? undefined : check(value, name)));
}

export function withDefault<T>(check: Check<T>, fallback: T): Rule<T> {
  return rule((value, name) => (value === undefined ? fallback : check(value, name)));
}

/**
 * Reads an options object: refuses what is no object, names outside `table` and values their rules refuse, and fills in
 * defaults. `owner` names the call in messages, e.g. `loadModel`; `prefix` stands before each name, e.g. `dry.`.
 */
export function readOptions<Table extends RuleTable>(
  owner: string,
  table: Table,
  options: unknown,
  prefix = "",
): OptionsOf<Table> {
  const given = options === undefined ? {} : asRecord(options, `the options of ${owner}`);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(table, name)) throw unknownName(owner, name, Object.keys(table));
  }
  const read = Object.entries(table).map(([name, check]) => [name, check(given[name], prefix + name)]);
  return Object.fromEntries(read) as OptionsOf<Table>;
}

/** A value that is an object and neither an array nor null. */
export function asRecord(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidOptionError(name, "an object", value);
  }
  return value as Record<string, unknown>;
}

function unknownName(owner: string, name: string, known: string[]): InvalidOptionError {
  const near = nearestName(name, known);
  const names = known.map((option) => JSON.stringify(option)).join(", ");
  const expected = near === undefined ? `one of ${names}` : `one of ${names} (did you mean ${JSON.stringify(near)}?)`;
  return new InvalidOptionError(`an option name of ${owner}`, expected, name);
}

/** The known name a misspelt one most likely means, or undefined where none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  return nearestNames(name, known)[0];
}

/** All that it may mean, the likeliest first. */
export function nearestNames(name: string, known: readonly string[]): string[] {
  const plain = (text: string): string => text.replace(/[_-]/g, "").toLowerCase();
  return known
    .map((candidate) => ({ candidate, distance: editDistance(plain(name), plain(candidate)) }))
    .filter(({ distance }) => distance <= Math.ceil(name.length / 3))
    .sort((a, b) => a.distance - b.distance)
    .map(({ candidate }) => candidate);
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

export const aBoolean: Check<boolean> = (value, name) => {
  if (typeof value !== "boolean") throw new InvalidOptionError(name, "a boolean", value);
  return value;
};

export const aString: Check<string> = (value, name) => {
  if (typeof value !== "string") throw new InvalidOptionError(name, "a string", value);
  return value;
};

export const aNonEmptyString: Check<string> = (value, name) => {
  if (typeof value !== "string" || value === "") throw new InvalidOptionError(name, "a non-empty string", value);
  return value;
};

export function anInteger(min: number, max = Number.MAX_SAFE_INTEGER): Check<number> {
  const expected =
    max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`;
  return (value, name) => {
    if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
      throw new InvalidOptionError(name, expected, value);
    }
    return value;
  };
}

export function aNumber(min = -Infinity, max = Infinity): Check<number> {
  const expected =
    min === -Infinity && max === Infinity
      ? "a finite number"
      : max === Infinity
        ? `a finite number of at least ${min}`
        : `a number from ${min} to ${max}`;
  return (value, name) => {
    if (typeof value !== "number" || !Number.isFinite(value) || value < min || value > max) {
      throw new InvalidOptionError(name, expected, value);
    }
    return value;
  };
}

export function oneOf<const T extends string | number>(...values: readonly T[]): Check<T> {
  const expected = `one of ${values.map((value) => JSON.stringify(value)).join(", ")}`;
  return (value, name) => {
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) throw new InvalidOptionError(name, expected, value);
    return found;
  };
}

export function aFunction<T>(): Check<T> {
  return (value, name) => {
    if (typeof value !== "function") throw new InvalidOptionError(name, "a function", value);
    return value as T;
  };
}

/** Anything that behaves as an `AbortSignal`, so that signals of other realms and polyfills are accepted. */
export const anAbortSignal: Check<AbortSignal> = (value, name) => {
  const signal = value as Partial<AbortSignal> | null;
  if (
    typeof value !== "object" ||
    typeof signal?.aborted !== "boolean" ||
    typeof signal.addEventListener !== "function"
  ) {
    throw new InvalidOptionError(name, "an AbortSignal", value);
  }
  return value as AbortSignal;
};

export function anArrayOf<T>(check: Check<T>, expected: string): Check<T[]> {
  return (value, name) => {
    if (!Array.isArray(value)) throw new InvalidOptionError(name, expected, value);
    return value.map((item: unknown, index) => check(item, `${name}[${index}]`));
  };
}

/** A nested options object, read by a table of its own. */
export function optionsObject<Table extends RuleTable>(table: Table): Check<OptionsOf<Table>> {
  return (value, name) => readOptions(name, table, asRecord(value, name), `${name}.`);
}
