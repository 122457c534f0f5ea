// How evenly tokens come: the times between them.

import { median, quantile } from "./statistics.mjs";

/**
 * @param {readonly number[]} times of tokens, ascending
 * @param {{ from?: number, to?: number }} [window] only gaps that overlap it
 */
export function gapsOf(times, { from = -Infinity, to = Infinity } = {}) {
  const gaps = [];
  for (let index = 1; index < times.length; index++) {
    const [start, end] = [times[index - 1], times[index]];
    if (end > from && start < to) gaps.push(end - start);
  }
  return gaps;
}

/**
 * What a disturbance does to streams that run. Their usual gap is the median of the time before it.
 * @param {readonly (readonly number[])[]} streams times of each one's tokens; all go on after the disturbance ends
 * @param {{ from: number, to: number }} disturbance
 */
export function disturbanceOf(streams, { from, to }) {
  const calm = streams.flatMap((times) => gapsOf(times, { to: from }).slice(0, -1));
  const disturbed = streams.flatMap((times) => gapsOf(times, { from, to }));
  const usual = median(calm);
  const longest = Math.max(...disturbed);
  const p99 = quantile(disturbed, 0.99);
  return {
    medianGapMs: usual,
    disturbedMedianGapMs: median(disturbed),
    longestSilenceMs: longest,
    p99GapMs: p99,
    longestRatio: longest / usual,
    p99Ratio: p99 / usual,
  };
}
