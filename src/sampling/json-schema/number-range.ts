import { literal, oneOfThese } from "./grammar-rules.js";

/** Digits that an integer has at most where its schema sets no bound. */
const mostDigits = 16;
const beyond = 10n ** BigInt(mostDigits);

export interface Bounds {
  /** Inclusive; undefined where there is none. */
  readonly min: bigint | undefined;
  readonly max: bigint | undefined;
}

/** Integers from `min` to `max`, both of them included, as JSON writes them. */
export function integerRange({ min = -beyond + 1n, max = beyond - 1n }: Bounds): string {
  const alternatives: string[] = [];
  if (min < 0n) alternatives.push(`"-" ${oneOfThese(naturals(max < 0n ? -max : 1n, -min))}`);
  if (max >= 0n) alternatives.push(...naturals(min > 0n ? min : 0n, max));
  return oneOfThese(alternatives);
}

/** Numbers from `min` to `max`, with an optional fraction and without exponents. */
export function numberRange({ min, max }: Bounds): string {
  const fraction = `("." [0-9]{1,16})?`;
  const low = min ?? -beyond + 1n;
  const high = max ?? beyond - 1n;
  /** From `from` to `to`, neither below zero. */
  const positive = (from: bigint, to: bigint): string => {
    const whole = from < to ? [`${oneOfThese(naturals(from, to - 1n))} ${fraction}`] : [];
    return oneOfThese([...whole, `${literal(String(to))} ("." "0"{1,16})?`]);
  };
  const alternatives: string[] = [];
  if (low < 0n) alternatives.push(`"-" ${positive(high < 0n ? -high : 0n, -low)}`);
  if (high >= 0n) alternatives.push(positive(low > 0n ? low : 0n, high));
  return oneOfThese(alternatives);
}

/** Alternatives for the integers from `from` to `to`, neither below zero, by their number of digits. */
function naturals(from: bigint, to: bigint): string[] {
  const alternatives: string[] = [];
  for (let start = from; start <= to;) {
    const digits = String(start).length;
    const highest = 10n ** BigInt(digits) - 1n;
    const end = to < highest ? to : highest;
    alternatives.push(sameLength(String(start), String(end)));
    start = end + 1n;
  }
  return alternatives;
}

/** Between two numbers of the same length. */
function sameLength(from: string, to: string): string {
  if (from === to) return from === "" ? "" : literal(from);
  const [first = "0", last = "0"] = [from[0], to[0]];
  const [restFrom, restTo] = [from.slice(1), to.slice(1)];
  if (first === last) return `${literal(first)} ${sameLength(restFrom, restTo)}`;
  const rest = restFrom.length;
  const alternatives: string[] = [];
  let low = Number(first);
  let high = Number(last);
  if (/[1-9]/.test(restFrom)) {
    alternatives.push(`${literal(first)} ${sameLength(restFrom, "9".repeat(rest))}`);
    low++;
  }
  const partial = /[0-8]/.test(restTo);
  if (partial) high--;
  if (low <= high) alternatives.push(`${digit(low, high)}${rest === 0 ? "" : ` [0-9]{${rest}}`}`);
  if (partial) alternatives.push(`${literal(last)} ${sameLength("0".repeat(rest), restTo)}`);
  return oneOfThese(alternatives);
}

function digit(low: number, high: number): string {
  return low === high ? literal(String(low)) : `[${low}-${high}]`;
}
