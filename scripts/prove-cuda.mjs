// `npm run proof:cuda`: compiles and links the addon for CUDA on a machine without a GPU and its driver, with the toolkit that
// CUDA_PATH names or that of NVIDIA's Python wheels, and shows what the library does where the addon cannot be used: it falls
// back to the CPU's with the right reason, `cuda` asked for by name is an error with that reason, `llama-native doctor` says the
// same, and no process crashes. Writes docs/cuda.json, and fails where something is not as it must be. Linux alone, and root.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { ARCHITECTURE, build } from "./cuda/build.mjs";
import { missingHere, runnerIn } from "./cuda/runs.mjs";
import { makeSituations } from "./cuda/situations.mjs";
import { findToolkit } from "./cuda/toolkit.mjs";
import { examine, referenceOf } from "./fallback/examine.mjs";
import { packageDir } from "./lib/paths.mjs";
import { smollm2 } from "./models/smollm2.mjs";
import { LLAMA_CPP_VERSION } from "./lib/pins.mjs";
import { stopChildrenOnSignals } from "./lib/run.mjs";

const PROMPT = "The capital of France is";

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
  /** @param {import("./cuda/situations.mjs").Situation} situation */
  const runner = (situation) => runnerIn(toolkit.root, dist, situation);
  const order = { model: await smollm2(), prompt: PROMPT };
  const situations = makeSituations(work, toolkit);
  const reference = referenceOf(await runner(withoutCuda()).answer({ ...order, gpu: "cpu" }));
  const results = [];
  for (const situation of situations) {
    const result = await examine("cuda", runner(situation), situation, order, reference);
    console.log(`${result.problems.length === 0 ? "holds" : "FAILS"}  ${situation.name}: ${result.reason}`);
    results.push(result);
  }
  const withToolkit = situations.find(({ hasToolkit }) => hasToolkit);
  if (withToolkit === undefined) throw new Error("Expected a situation with the toolkit");
  const problems = [
    ...results.flatMap(({ situation, problems: own }) => own.map((problem) => `${situation}: ${problem}`)),
    ...(await judgeOwnKernels(runner(withToolkit), order, addon.path)),
  ];
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

function withoutCuda() {
  const folder = join(work, "nothing");
  mkdirSync(folder);
  return { name: "the CPU alone", folder, hasToolkit: false, env: {}, reason: "", advice: "" };
}

/**
 * The addon for CUDA has the CPU's kernels as well: named by LLAMA_NATIVE_ADDON it serves without a driver.
 * @param {import("./fallback/examine.mjs").Runner} runner
 * @param {import("./fallback/examine.mjs").Order} order
 * @param {string} addon
 */
async function judgeOwnKernels(runner, order, addon) {
  const { end, outcome, words } = await runner.answer(order, { LLAMA_NATIVE_ADDON: addon });
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
