// `npm run proof:cuda`: compiles and links the addon for CUDA on a machine without a GPU and its driver, with the toolkit that
// CUDA_PATH names or that of NVIDIA's Python wheels, and shows what the library does where the addon cannot be used: it falls
// back to the CPU's with the right reason, `cuda` asked for by name is an error with that reason, `llama-native doctor` says the
// same, and no process crashes. Writes docs/cuda.json, and fails where something is not as it must be. Linux alone, and root.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { ARCHITECTURE, build } from "./cuda/build.mjs";
import { examine } from "./cuda/examine.mjs";
import { missingHere, Runner } from "./cuda/runs.mjs";
import { makeSituations } from "./cuda/situations.mjs";
import { findToolkit } from "./cuda/toolkit.mjs";
import { packageDir } from "./lib/paths.mjs";
import { smollm2 } from "./models/smollm2.mjs";
import { LLAMA_CPP_VERSION } from "./lib/pins.mjs";
import { stopChildrenOnSignals } from "./lib/run.mjs";

const PROMPT = "The capital of France is";
/** Of the look for addons that ends with the CPU's; set before the first run. */
const MOST_LOOK_SECONDS = 10;

const work = mkdtempSync(join(tmpdir(), "llama-native-cuda-"));
stopChildrenOnSignals();
try {
  process.exitCode = await main();
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function main() {
  const missing = missingHere();
  if (missing !== null) {
    console.error(missing);
    return 1;
  }
  const toolkit = await findToolkit(process.env);
  const dist = join(work, "dist");
  await build("cpu", dist, toolkit);
  const addon = await build("cuda", dist, toolkit);
  const runner = new Runner(toolkit.root, dist);
  const order = { model: await smollm2(), prompt: PROMPT };
  const situations = makeSituations(work, toolkit);
  const reference = await withoutCuda(runner, order);
  const results = [];
  for (const situation of situations) {
    const result = await examine(runner, situation, order, reference);
    console.log(`${result.problems.length === 0 ? "holds" : "FAILS"}  ${situation.name}: ${result.reason}`);
    results.push(result);
  }
  const problems = [...results.flatMap(judge), ...(await judgeOwnKernels(runner, order, addon.path, situations))];
  await write({
    llamaCpp: LLAMA_CPP_VERSION,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    toolkit: { nvcc: toolkit.nvcc, from: toolkit.from },
    addon: { architecture: ARCHITECTURE, ...addon, path: undefined },
    cpuAlone: reference,
    situations: results,
    problems,
  });
  for (const problem of problems) console.log(`Problem: ${problem}`);
  console.log(problems.length === 0 ? "All holds." : `${problems.length} problems.`);
  return problems.length === 0 ? 0 : 1;
}

/** @param {Runner} runner @param {import("./cuda/runs.mjs").Order} order */
async function withoutCuda(runner, order) {
  const folder = join(work, "nothing");
  mkdirSync(folder);
  const situation = { name: "the CPU alone", folder, hasToolkit: false, env: {}, reason: "", advice: "" };
  const { end, outcome, words } = await runner.answer(situation, { ...order, gpu: "cpu" });
  if (outcome === null || !("text" in outcome) || end !== 0)
    throw new Error(`The CPU's addon ended with ${end}: ${JSON.stringify(outcome)} ${words}`);
  const { text, lookMilliseconds, peakBytes } = outcome;
  return { text, lookMilliseconds, peakBytes };
}

/** @param {import("./cuda/examine.mjs").Examined} result */
function judge({ situation, lookMilliseconds, problems }) {
  const slow = lookMilliseconds > MOST_LOOK_SECONDS * 1000 ? [`the look took ${lookMilliseconds} ms`] : [];
  return [...problems, ...slow].map((problem) => `${situation}: ${problem}`);
}

/**
 * The addon for CUDA has the CPU's kernels as well: named by LLAMA_NATIVE_ADDON it serves without a driver.
 * @param {Runner} runner
 * @param {import("./cuda/runs.mjs").Order} order
 * @param {string} addon
 * @param {import("./cuda/situations.mjs").Situation[]} situations
 */
async function judgeOwnKernels(runner, order, addon, situations) {
  const situation = situations.find(({ hasToolkit }) => hasToolkit);
  if (situation === undefined) throw new Error("Expected a situation with the toolkit");
  const { end, outcome, words } = await runner.answer(situation, order, { LLAMA_NATIVE_ADDON: addon });
  const isRight = outcome !== null && "text" in outcome && outcome.backend === "custom" && outcome.text !== "";
  return isRight && end === 0 ? [] : [`named by hand, it ended with ${end}: ${JSON.stringify(outcome)} ${words}`];
}

/** @param {object} result */
async function write(result) {
  const path = join(packageDir, "docs", "cuda.json");
  const options = await resolveConfig(path);
  const text = JSON.stringify(result).replaceAll(`${work}/`, "");
  writeFileSync(path, await format(text, { ...options, parser: "json" }));
}
