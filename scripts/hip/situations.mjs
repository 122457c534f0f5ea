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
    ["hipErrorInvalidKernelFile", "hipErrorNoBinaryForGpu"].map(async (kernels) => ({
      name: `a GPU that was not compiled for (stand-in, ${kernels})`,
      gone: [],
      env: { LD_PRELOAD: await compileGpus(work, system, { count: 1, kernels }) },
      reason: "its addon has no kernels for Stand-in 0 (gfx803): ",
      advice: "update its driver, or run `npx llama-native build --gpu hip --force`",
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

/**
 * A library that stands for GPUs, of which the first has no kernels.
 * @param {string} work
 * @param {import("./system.mjs").RocmSystem} system
 * @param {{ count: number, kernels: string }} gpus
 */
export async function compileGpus(work, system, { count, kernels }) {
  const library = join(work, `${count}-${kernels}.so`);
  const source = join(packageDir, "scripts", "hip", "stand-in-device.c");
  const settings = [`-DCOUNT=${count}`, `-DKERNELS=${kernels}`];
  const { code, output } = await system.run(["gcc", "-shared", "-fPIC", "-O1", ...settings, source, "-o", library], {});
  if (code !== 0) throw new Error(`Compiling ${source} ended with ${code}:\n${output}`);
  return library;
}
