// Numbers out of what was measured.

/** @param {readonly number[]} values */
export function median(values) {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle) - 1] ?? NaN)) / 2;
}

/**
 * What each round says of a side's throughput, text that came in a second, as a share of another's.
 * @template {string} Side
 * @param {readonly Record<Side, { seconds: number, characters: number }>[]} rounds @param {Side} of @param {Side} side
 */
export function shares(rounds, of, side) {
  const rate = (/** @type {{ seconds: number, characters: number }} */ { characters, seconds }) => characters / seconds;
  return rounds.map((round) => rate(round[side]) / rate(round[of]));
}

/**
 * How much a value grows in a minute: the median of the slopes between all pairs of samples (Theil and Sen), which single
 * peaks do not move.
 * @param {readonly { ms: number, value: number }[]} samples
 */
export function slopePerMinute(samples) {
  const slopes = samples.flatMap((late, index) =>
    samples.slice(0, index).map((early) => ((late.value - early.value) / (late.ms - early.ms)) * 60_000),
  );
  return median(slopes);
}

/**
 * The sum of a metric in Prometheus' text, over all its labels; NaN where there is none.
 * @param {string} text @param {string} name @param {Record<string, string>} [labels] that it must have
 */
export function metricOf(text, name, labels = {}) {
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  const wanted = lines.filter((line) =>
    Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)),
  );
  const values = wanted.map((line) => Number(line.slice(line.lastIndexOf(" ") + 1)));
  return values.length === 0 ? NaN : values.reduce((sum, value) => sum + value, 0);
}
