// What may be wrong on a machine that has an addon for HIP.

import { join } from "node:path";
import { packageDir } from "../lib/paths.mjs";

/**
 * @typedef {object} Situation
 * @property {string} name
 * @property {string[]} gone libraries of ROCm that are not there
 * @property {NodeJS.ProcessEnv} env
 * @property {string} reason why HIP is passed over
 * @property {string} advice how what to do about it begins
 */

/**
 * @param {string} work
 * @param {import("./system.mjs").RocmSystem} system
 * @returns {Promise<Situation[]>}
 */
export async function makeSituations(work, system) {
  const missing = (/** @type {string} */ library) => ({
    name: `no ${library}`,
    gone: [library],
    env: {},
    reason: `the ROCm library ${library}.so.`,
    advice: "install ROCm's runtime",
  });
  const unfit = await Promise.all(
    ["hipErrorNoBinaryForGpu", "hipErrorInvalidDeviceFunction"].map(async (kernels) => ({
      name: `a GPU that was not compiled for (stand-in, ${kernels})`,
      gone: [],
      env: { LD_PRELOAD: await compile(work, system, kernels) },
      reason: "its addon has no kernels for Stand-in (gfx803)",
      advice: "run `npx llama-native build --gpu hip`",
    })),
  );
  return [
    missing("libamdhip64"),
    missing("libhipblas"),
    // hipBLAS loads it too.
    missing("librocblas"),
    {
      name: "all libraries, no driver",
      gone: [],
      env: {},
      reason: "AMD's driver finds no GPU",
      advice: "check that rocminfo lists one",
    },
    ...unfit,
  ];
}

/** @param {string} work @param {import("./system.mjs").RocmSystem} system @param {string} kernels */
async function compile(work, system, kernels) {
  const library = join(work, `${kernels}.so`);
  const source = join(packageDir, "scripts", "hip", "stand-in-device.c");
  const command = ["gcc", "-shared", "-fPIC", "-O1", `-DKERNELS=${kernels}`, source, "-o", library];
  const { code, output } = await system.run(command, {});
  if (code !== 0) throw new Error(`Compiling ${source} ended with ${code}:\n${output}`);
  return library;
}
