// The command line of the benchmark.

import { parseArgs } from "node:util";

import { FAMILIES } from "./programs.mjs";
import { WORKLOAD_NAMES } from "./registry.mjs";

export const USAGE = `Usage: node bench/run.mjs [workload …] [options]

  Workloads (default all): ${WORKLOAD_NAMES.join(", ")}

  --programs <list>  of ${FAMILIES.join(", ")} (default all)
  --rounds <n>       rounds that count, at most; default 5; workloads that take minutes have fewer
  --quick            one round of small sizes, without the 7B model: to see whether everything runs
  --out <folder>     where table, figures and chart go; default bench/results (quick: bench/results/quick)
  --check            compare with what this project asks of itself; a bar that is missed is a failure
  --no-run           measure nothing: table, chart and --check from the figures that are in the folder`;

/**
 * @typedef {object} Options
 * @property {import("./registry.mjs").WorkloadName[]} workloads
 * @property {import("./programs.mjs").Family[]} programs
 * @property {number | null} rounds
 * @property {boolean} quick
 * @property {string | null} out
 * @property {boolean} check
 * @property {boolean} run
 */

/**
 * @param {string[]} args
 * @returns {Options | null} null: help is wanted
 * @throws {Error} saying what is wrong with them
 */
export function readArguments(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      programs: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      out: { type: "string" },
      check: { type: "boolean", default: false },
      "no-run": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  return {
    workloads: positionals.length === 0 ? WORKLOAD_NAMES : known(positionals, WORKLOAD_NAMES, "a workload"),
    programs: values.programs === undefined ? FAMILIES : known(values.programs.split(","), FAMILIES, "--programs"),
    rounds: values.rounds === undefined ? null : readRounds(values.rounds),
    quick: values.quick,
    out: values.out ?? null,
    check: values.check,
    run: !values["no-run"],
  };
}

/**
 * @template {string} Name
 * @param {readonly string[]} given
 * @param {readonly Name[]} names
 * @param {string} what
 * @returns {Name[]} in the order of `names`
 */
function known(given, names, what) {
  const wrong = given.find((name) => !names.some((candidate) => candidate === name));
  if (wrong !== undefined) throw new Error(`Expected ${names.join(", ")} for ${what} but received ${wrong}`);
  return names.filter((name) => given.includes(name));
}

/** @param {string} text */
function readRounds(text) {
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds > 0) return rounds;
  throw new Error(`Expected a whole number above 0 for --rounds but received ${text}`);
}
