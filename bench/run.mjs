#!/usr/bin/env node
// The benchmark: this library beside llama.cpp's own tools and the other libraries for Node. `--help` tells the options,
// README.md how to read what it finds.

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

import { packageDir } from "../scripts/lib/paths.mjs";
import { readArguments, USAGE } from "./lib/arguments.mjs";
import { checkBars, describeBar, describeValue } from "./lib/bars.mjs";
import { buildLlamaTools } from "./lib/llama-tools.mjs";
import { describeMachine, isLoaded, loadAverage } from "./lib/machine.mjs";
import { Materials } from "./lib/materials.mjs";
import { measureWorkload } from "./lib/measure.mjs";
import { loadWorkload, WORKLOAD_NAMES } from "./lib/registry.mjs";
import { isComparable, mergeResults, ownFailures } from "./lib/results.mjs";
import { readResults, writeResults } from "./lib/result-files.mjs";
import { stopRunsOnSignals } from "./lib/run-job.mjs";
import { versionsOf } from "./lib/versions.mjs";

const log = (/** @type {string} */ line) => console.log(line);

try {
  const options = readArguments(process.argv.slice(2));
  if (options === null) log(USAGE);
  else process.exitCode = (await main(options)) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}

/**
 * @param {import("./lib/arguments.mjs").Options} options
 * @returns {Promise<boolean>} whether all that had to succeed did
 */
async function main(options) {
  const out = resolve(options.out ?? join(packageDir, "bench", "results", options.quick ? "quick" : ""));
  const results = options.run ? await measure(options, out) : readResults(out);
  if (results === null) throw new Error(`There are no results in ${out}`);
  await writeResults(out, results);
  log(`\nWritten: ${["results.md", "results.json", "chart.svg"].map((name) => join(out, name)).join(", ")}`);
  const failures = options.run ? ownFailures(results, options.workloads) : [];
  for (const failure of failures) log(`Failed: ${failure}`);
  const reached = !options.check || printBars(results);
  return failures.length === 0 && reached;
}

/**
 * @param {import("./lib/arguments.mjs").Options} options
 * @param {string} out
 */
async function measure({ workloads, programs, rounds, quick }, out) {
  if (!existsSync(join(packageDir, "dist", "index.js")))
    throw new Error('The library is not built: run "npm run build"');
  stopRunsOnSignals();
  const versions = versionsOf(programs);
  const needsTools = programs.some((family) => family === "llama-bench" || family === "llama-server");
  const loadBefore = loadAverage();
  const machine = describeMachine();
  if (isLoaded(loadBefore, machine.cores)) log(`The machine is busy: its load average is ${loadBefore.toFixed(2)}`);
  const tools = needsTools ? await buildLlamaTools(log) : null;
  const materials = new Materials();
  const setting = { families: programs, rounds, quick, cores: machine.cores, loadBefore, tools, materials, log };
  /** @type {import("./lib/results.mjs").Results} */
  let results = { version: 1, quick, machine, versions, workloads: {} };
  const earlier = readResults(out);
  if (earlier !== null && !isComparable(earlier, results)) {
    log(`The results in ${out} are of another machine or other versions, and will be replaced`);
  }
  for (const name of workloads) {
    const measured = await measureWorkload(name, await loadWorkload(name), setting);
    if (Object.keys(measured.cases).length === 0) continue;
    results = { ...results, workloads: { ...results.workloads, [name]: measured } };
    // What there is survives an interruption.
    await writeResults(out, mergeResults(earlier, results, WORKLOAD_NAMES));
  }
  return mergeResults(earlier, results, WORKLOAD_NAMES);
}

/** @param {import("./lib/results.mjs").Results} results */
function printBars(results) {
  log("");
  const verdicts = checkBars(results);
  for (const verdict of verdicts) {
    const mark = { reached: "pass", missed: "FAIL", "not measured": "  – " }[verdict.outcome];
    const { bar, reason } = verdict;
    const figure = reason === "" ? describeValue(verdict) : reason;
    log(`${mark}  ${`${bar.title} (${bar.case})`.padEnd(84)} ${describeBar(bar).padEnd(32)} ${figure}`);
  }
  const count = (/** @type {string} */ outcome) => verdicts.filter((verdict) => verdict.outcome === outcome).length;
  log(`\n${count("reached")} reached, ${count("missed")} missed, ${count("not measured")} not measured`);
  if (results.quick) log("A quick run: its sizes are too small for the figures to mean anything.");
  return count("missed") === 0;
}
