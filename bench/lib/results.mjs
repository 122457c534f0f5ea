// What a run of the benchmark found, as it is kept in results.json: every figure of every round.

/**
 * @typedef {import("./statistics.mjs").Summary} Summary
 *
 * @typedef {object} RunRecord
 * @property {number} round 0 is the one that does not count
 * @property {number} seconds of the whole process
 * @property {number} busyCores what other programs took just before
 * @property {Record<string, number>} metrics
 * @property {Record<string, unknown>} details
 *
 * @typedef {{ label: string, metrics: Record<string, Summary>, runs: RunRecord[] }} Figures
 * @typedef {{ round: number, error: string, stoppedAfterSeconds?: number }} FailureRecord the last where it took too long
 * @typedef {FailureRecord & { label: string }} Failure
 *
 * @typedef {object} CaseResult
 * @property {string} model
 * @property {string} [chart] title of its panel in the chart
 * @property {Record<string, Figures | Failure>} programs by id
 *
 * @typedef {object} WorkloadResult
 * @property {string} title
 * @property {string} about
 * @property {Record<string, import("./workload.js").Metric>} metrics
 * @property {Record<string, CaseResult>} cases by name
 * @property {string} measuredAt ISO 8601
 * @property {number} minutes
 * @property {number} loadBefore the load average of the minute before the benchmark started
 * @property {string | null} warning where other programs were in the way
 *
 * @typedef {object} Results
 * @property {1} version of this format
 * @property {boolean} quick
 * @property {import("./machine.mjs").Machine} machine
 * @property {Record<string, string>} versions of the programs
 * @property {Record<string, WorkloadResult>} workloads by name
 */

import { summarize } from "./statistics.mjs";

/**
 * Figures of one program, or its failure: a program that failed once has no figures.
 * @param {string} label
 * @param {readonly (FailureRecord | RunRecord)[]} runs in order; nothing follows a failure
 * @returns {Figures | Failure}
 */
export function resultOf(label, runs) {
  const records = [];
  for (const run of runs) {
    if ("error" in run) {
      const { round, error, stoppedAfterSeconds } = run;
      return { label, error, round, ...(stoppedAfterSeconds === undefined ? {} : { stoppedAfterSeconds }) };
    }
    records.push(run);
  }
  const counted = records.filter(({ round }) => round > 0);
  return { label, metrics: summarize(counted.map(({ metrics }) => metrics)), runs: records };
}

/** A figure's stand-in, in a table or a chart. @param {Failure} failure */
export function outcomeOf({ stoppedAfterSeconds }) {
  return stoppedAfterSeconds === undefined ? "failed" : `> ${stoppedAfterSeconds} s, stopped`;
}

/**
 * @param {Results} results
 * @param {readonly string[]} names of the workloads that count
 * @returns {string[]} this project's own failures
 */
export function ownFailures({ workloads }, names) {
  return names.flatMap((workload) =>
    Object.entries(workloads[workload]?.cases ?? {}).flatMap(([name, { programs }]) => {
      const own = programs["ours"];
      return own !== undefined && "error" in own ? [`${workload}, ${name}: ${own.error}`] : [];
    }),
  );
}

/**
 * A run of some workloads leaves the others as an earlier run found them, if that was the same in all that matters.
 * @param {Results | null} earlier
 * @param {Results} current
 * @param {readonly string[]} order of the workloads
 * @returns {Results}
 */
export function mergeResults(earlier, current, order) {
  if (earlier === null || !isComparable(earlier, current)) return current;
  const all = { ...earlier.workloads, ...current.workloads };
  const names = order.filter((name) => name in all);
  return {
    ...current,
    versions: { ...earlier.versions, ...current.versions },
    workloads: Object.fromEntries(names.map((name) => [name, all[name]])),
  };
}

/**
 * The same machine, and the same versions of the programs that both have.
 * @param {Results} one
 * @param {Results} other
 */
export function isComparable(one, other) {
  const facts = (/** @type {Results} */ { version, quick, machine }) => JSON.stringify([version, quick, machine]);
  const common = Object.keys(one.versions).filter((name) => name in other.versions);
  return facts(one) === facts(other) && common.every((name) => one.versions[name] === other.versions[name]);
}
