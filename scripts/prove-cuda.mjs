// `npm run proof:cuda`: compiles and links the addon for CUDA on a machine without a GPU and its driver, with the toolkit that
// CUDA_PATH names or that of NVIDIA's Python wheels, and shows what the library does where the addon cannot be used: it falls
// back to the CPU's with the right reason, `cuda` asked for by name is an error with that reason, `llama-native doctor` says the
// same, and no process crashes. Writes docs/cuda.json, and fails where something is not as it must be. Linux alone, and root.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ARCHITECTURE, build } from "./cuda/build.mjs";
import { missingHere, runnerIn } from "./cuda/runs.mjs";
import { makeSituations } from "./cuda/situations.mjs";
import { findToolkit } from "./cuda/toolkit.mjs";
import { examine, examineAll, keep, PROMPT, referenceOf } from "./fallback/examine.mjs";
import { stopChildrenOnSignals } from "./lib/run.mjs";
import { smollm2 } from "./models/smollm2.mjs";
import { runProof } from "./prebuilt/proof.mjs";

const missing = missingHere();
if (missing !== null) {
  console.error(missing);
  process.exit(1);
}
stopChildrenOnSignals();
await runProof("cuda", async ({ work }) => {
  const toolkit = await findToolkit(process.env);
  const dist = join(work, "dist");
  await build("cpu", dist, toolkit);
  const addon = await build("cuda", dist, toolkit);
  /** @param {import("./cuda/situations.mjs").Situation} situation */
  const runner = (situation) => runnerIn(toolkit.root, dist, situation);
  const order = { model: await smollm2(), prompt: PROMPT };
  const situations = makeSituations(work, toolkit);
  const cpuAlone = referenceOf(await runner(withoutCuda(work)).answer({ ...order, gpu: "cpu" }));
  const { results, problems } = await examineAll(situations, (situation) =>
    examine("cuda", runner(situation), situation, order, cpuAlone),
  );
  const withToolkit = situations.find(({ hasToolkit }) => hasToolkit);
  if (withToolkit === undefined) throw new Error("Expected a situation with the toolkit");
  problems.push(...(await judgeOwnKernels(runner(withToolkit), order, addon.path)));
  await keep("cuda.json", work, {
    node: process.version,
    toolkit: { nvcc: toolkit.nvcc, from: toolkit.from },
    addon: { architecture: ARCHITECTURE, ...addon, path: undefined },
    ...{ cpuAlone, situations: results, problems },
  });
  return problems;
});

/** @param {string} work */
function withoutCuda(work) {
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
