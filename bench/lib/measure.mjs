// Runs a workload: all its cases, all programs of a case side by side.

import { busyCores, busyWarning } from "./machine.mjs";
import { interleave } from "./rounds.mjs";
import { programsOf } from "./programs.mjs";
import { resultOf } from "./results.mjs";
import { runJob } from "./run-job.mjs";

const DEFAULT_ROUNDS = 5;
const DEFAULT_TIMEOUT_SECONDS = 300;
/**
 * A program that takes this many times as long as another has failed, where its case says nothing else: threads that fight
 * for the cores may take hours.
 */
const MOST_TIMES_SLOWER = 10;
const LEAST_TIMEOUT_SECONDS = 30;

/**
 * @typedef {object} Setting
 * @property {import("./programs.mjs").Family[]} families
 * @property {number | null} rounds
 * @property {boolean} quick
 * @property {number} cores
 * @property {number} loadBefore
 * @property {import("./llama-tools.mjs").LlamaTools | null} tools
 * @property {import("./materials.mjs").Materials} materials
 * @property {(line: string) => void} log
 */

/**
 * @param {string} name
 * @param {import("./workload.js").Workload} workload
 * @param {Setting} setting
 * @returns {Promise<import("./results.mjs").WorkloadResult>}
 */
export async function measureWorkload(name, workload, setting) {
  const started = Date.now();
  /** @type {number[]} */
  const busy = [];
  /** @type {Record<string, import("./results.mjs").CaseResult>} */
  const cases = {};
  for (const testCase of workload.cases({ quick: setting.quick })) {
    setting.log(`${name}: ${testCase.name}`);
    const result = await measureCase(name, workload, testCase, setting, busy);
    if (result !== null) cases[testCase.name] = result;
  }
  return {
    title: workload.title,
    about: workload.about,
    metrics: workload.metrics,
    cases,
    measuredAt: new Date(started).toISOString(),
    minutes: (Date.now() - started) / 60_000,
    loadBefore: setting.loadBefore,
    warning: busyWarning(busy),
  };
}

/**
 * @param {string} name
 * @param {import("./workload.js").Workload} workload
 * @param {import("./workload.js").Case} testCase
 * @param {Setting} setting
 * @param {number[]} busy what other programs took before each run is added
 * @returns {Promise<import("./results.mjs").CaseResult | null>} null where none of the wanted programs takes part
 */
async function measureCase(name, workload, testCase, setting, busy) {
  const families = (testCase.programs ?? workload.programs).filter((family) => setting.families.includes(family));
  const programs = programsOf(families, setting.cores, { variants: workload.variants === true });
  if (programs.length === 0) return null;
  const { modelPath, prompts } = await setting.materials.for(testCase);
  /** @type {Map<string, (import("./results.mjs").FailureRecord | import("./results.mjs").RunRecord)[]>} */
  const runs = new Map(programs.map(({ id }) => [id, []]));
  const mostTimesSlower = testCase.mostTimesSlower ?? MOST_TIMES_SLOWER;
  let limit = testCase.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  for (const { program, round } of interleave(programs, roundsOf(testCase, setting))) {
    const own = runs.get(program.id) ?? [];
    if (own.some((run) => "error" in run)) continue; // it failed: more rounds would change nothing
    const taken = await busyCores();
    busy.push(taken);
    const job = { workload: name, program, case: testCase, modelPath, prompts, tools: setting.tools };
    const result = await runJob(job, limit);
    if (!("error" in result)) {
      limit = Math.min(limit, Math.max(LEAST_TIMEOUT_SECONDS, Math.ceil(result.seconds * mostTimesSlower)));
    }
    setting.log(`  ${progressLine(program.label, round, result, workload)}`);
    own.push("error" in result ? { round, ...result } : { round, busyCores: taken, ...result });
  }
  return {
    model: testCase.model,
    ...(testCase.chart === undefined ? {} : { chart: testCase.chart }),
    programs: Object.fromEntries(programs.map(({ id, label }) => [id, resultOf(label, runs.get(id) ?? [])])),
  };
}

/**
 * @param {import("./workload.js").Case} testCase
 * @param {Setting} setting
 */
function roundsOf(testCase, { rounds, quick }) {
  if (quick) return { rounds: rounds ?? 1, warmUp: false };
  return { rounds: Math.min(testCase.rounds ?? Infinity, rounds ?? DEFAULT_ROUNDS), warmUp: testCase.warmUp ?? true };
}

/**
 * @param {string} label
 * @param {number} round
 * @param {import("./run-job.mjs").Run | import("./run-job.mjs").FailedRun} result
 * @param {import("./workload.js").Workload} workload
 */
function progressLine(label, round, result, { metrics }) {
  const head = `${round === 0 ? "warm-up" : `round ${round}`}  ${label.padEnd(28)}`;
  if ("error" in result) return `${head} failed: ${result.error.split("\n")[0]}`;
  const shown = Object.entries(metrics).filter(([key]) => key in result.metrics);
  const figures = shown.map(([key, metric]) => `${metric.label} ${result.metrics[key]?.toFixed(metric.digits)}`);
  return `${head} ${figures.join("; ")} (${result.seconds.toFixed(1)} s)`;
}
