// `npm run proof:hip`: compiles and links the addon for HIP on a machine without an AMD GPU and ROCm, in the folder of a system
// that has ROCm, and shows what the library does where the addon cannot be used, as `npm run proof:cuda` does. Writes
// docs/hip.json, and fails where something is not as it must be. Debian on x86-64, and root.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { examine, examineAll, keep, PROMPT, readRun, referenceOf } from "./fallback/examine.mjs";
import { compileGpus, makeSituations } from "./hip/situations.mjs";
import { findRocm } from "./hip/system.mjs";
import { readJson } from "./lib/files.mjs";
import { packageDir } from "./lib/paths.mjs";
import { stopChildrenOnSignals } from "./lib/run.mjs";
import { smollm2 } from "./models/smollm2.mjs";
import { runProof } from "./prebuilt/proof.mjs";

/** Of a Radeon RX 6800. One architecture, and no FlashAttention kernels, for the time that two cores need. */
const ARCHITECTURE = "gfx1030";
const CMAKE_ARGS = `-DGPU_TARGETS=${ARCHITECTURE} -DGGML_CUDA_FA=OFF`;

const missing = missingHere();
if (missing !== null) {
  console.error(missing);
  process.exit(1);
}
stopChildrenOnSignals();
await runProof("hip", async ({ work }) => {
  const dist = join(work, "dist");
  const system = findRocm([work]);
  await build(system, dist, "cpu", "");
  await build(system, dist, "hip", CMAKE_ARGS);
  const order = { model: await smollm2(), prompt: PROMPT };
  /** @param {NodeJS.ProcessEnv} env */
  const runner = (env) => runnerIn(system, dist, env);
  const cpuAlone = referenceOf(await runner({}).answer({ ...order, gpu: "cpu" }));
  const { results, problems } = await examineAll(await makeSituations(work, system), (situation) =>
    system.without(situation.gone, () => examine("hip", runner(situation.env), situation, order, cpuAlone)),
  );
  const two = await compileGpus(work, system, { count: 2, kernels: "hipErrorInvalidKernelFile" });
  problems.push(...(await judgeTwo(runner({ LD_PRELOAD: two }))));
  const { sizeBytes } = readJson(join(dist, "hip", "build.json"));
  const addon = { architecture: ARCHITECTURE, sizeBytes, cmakeArguments: CMAKE_ARGS };
  await keep("hip.json", work, { rocm: system.version(), addon, cpuAlone, situations: results, problems });
  return problems;
});

function missingHere() {
  if (process.platform !== "linux" || process.arch !== "x64" || process.getuid?.() !== 0)
    return "It needs Linux on x86-64, and root for mount namespaces.";
  if (!existsSync("/etc/debian_version")) return "It needs Debian, for its package manager.";
  if (existsSync("/dev/kfd")) return "It needs a machine without AMD's driver.";
  if (!existsSync(join(packageDir, "dist", "index.js"))) return "The library is not compiled. Run: npm run build";
  return null;
}

/**
 * As a user of that system would.
 * @param {import("./hip/system.mjs").RocmSystem} system
 * @param {string} dist
 * @param {string} backend
 * @param {string} args
 */
async function build(system, dist, backend, args) {
  const env = { LLAMA_NATIVE_OUT_DIR: dist, LLAMA_NATIVE_CMAKE_ARGS: args, CC: "gcc", CXX: "g++" };
  const command = ["node", join(packageDir, "scripts", "build.mjs"), "--gpu", backend];
  const { code } = await system.run(command, env, (line) => console.log(line));
  if (code !== 0) throw new Error(`The build of the addon for ${backend} ended with ${code}`);
}

/**
 * @param {import("./hip/system.mjs").RocmSystem} system
 * @param {string} dist
 * @param {NodeJS.ProcessEnv} env
 * @returns {import("./fallback/examine.mjs").Runner}
 */
function runnerIn(system, dist, env) {
  const own = { LLAMA_NATIVE_OUT_DIR: dist, ...env };
  return {
    answer: async (order, more) => {
      const library = pathToFileURL(join(packageDir, "dist", "index.js")).href;
      const script = join(packageDir, "scripts", "fallback", "run.mjs");
      return readRun(await system.run(["node", script, JSON.stringify({ ...order, library })], { ...own, ...more }));
    },
    command: async (args) => await system.run(["node", join(packageDir, "dist", "cli", "main.js"), ...args], own),
  };
}

/**
 * Of two GPUs, of which the first has no kernels, the second is listed, by its own number.
 * @param {import("./fallback/examine.mjs").Runner} runner
 */
async function judgeTwo(runner) {
  const { code, output } = await runner.command(["doctor", "--json"]);
  /** @type {import("../src/index.js").SystemInfo | undefined} */
  const found = code === 0 ? JSON.parse(output).addon.system : undefined;
  const [device, ...others] = found?.devices.filter(({ name }) => name.startsWith("ROCm")) ?? [];
  const isRight = device?.name === "ROCm1" && device.description === "Stand-in 1" && others.length === 0;
  const isTold = found?.backendWarnings.some((words) => words.includes("no kernels for Stand-in 0 (gfx803)"));
  return isRight && isTold ? [] : [`two GPUs: ended with ${code}: ${output}`];
}
