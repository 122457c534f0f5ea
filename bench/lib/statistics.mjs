// The few statistics that the benchmark needs.

/**
 * The middle value; of an even number of values the mean of the two in the middle.
 * @param {readonly number[]} values at least one
 */
export function median(values) {
  const sorted = ascending(values);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  return sorted.length % 2 === 1 ? upper : (sorted[middle - 1] + upper) / 2;
}

/**
 * The smallest value that at least this share of the values does not exceed (nearest rank, so always one of them).
 * @param {readonly number[]} values at least one
 * @param {number} share above 0, up to 1; 0.99 is the 99th percentile
 */
export function quantile(values, share) {
  if (!(share > 0 && share <= 1)) throw new RangeError(`Expected a share from 0 to 1 but received ${share}`);
  const sorted = ascending(values);
  return sorted[Math.ceil(share * sorted.length) - 1];
}

/** @param {readonly number[]} values */
function ascending(values) {
  if (values.length === 0) throw new RangeError("There are no values");
  const wrong = values.find((value) => !Number.isFinite(value));
  if (wrong !== undefined) throw new RangeError(`Expected finite values but received ${wrong}`);
  return [...values].sort((a, b) => a - b);
}

/**
 * The median of every metric over the rounds that count, with what it was made from.
 * @param {readonly Record<string, number>[]} rounds the same metrics in each
 * @returns {Record<string, Summary>}
 *
 * @typedef {{ median: number, least: number, most: number, values: number[] }} Summary
 */
export function summarize(rounds) {
  const names = Object.keys(rounds[0] ?? {});
  return Object.fromEntries(
    names.map((name) => {
      const values = rounds.map((round) => round[name]);
      return [name, { median: median(values), least: Math.min(...values), most: Math.max(...values), values }];
    }),
  );
}
