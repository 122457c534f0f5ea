// `npm run proof:hip`: compiles and links the addon for HIP on a machine without an AMD GPU and ROCm, in the folder of a system
// that has ROCm, and shows what the library does where the addon cannot be used, as `npm run proof:cuda` does. Writes
// docs/hip.json, and fails where something is not as it must be. Debian on x86-64, and root.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { format, resolveConfig } from "prettier";
import { examine, readRun, referenceOf } from "./fallback/examine.mjs";
import { compileGpus, makeSituations } from "./hip/situations.mjs";
import { findRocm } from "./hip/system.mjs";
import { readJson } from "./lib/files.mjs";
import { packageDir } from "./lib/paths.mjs";
import { LLAMA_CPP_VERSION } from "./lib/pins.mjs";
import { stopChildrenOnSignals } from "./lib/run.mjs";
import { smollm2 } from "./models/smollm2.mjs";

/** Of a Radeon RX 6800. One architecture, and no FlashAttention kernels, for the time that two cores need. */
const ARCHITECTURE = "gfx1030";
const CMAKE_ARGS = `-DGPU_TARGETS=${ARCHITECTURE} -DGGML_CUDA_FA=OFF`;
const PROMPT = "The capital of France is";

const work = mkdtempSync(join(tmpdir(), "llama-native-hip-"));
const dist = join(work, "dist");
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
  const system = findRocm([work]);
  await build(system, "cpu", "");
  await build(system, "hip", CMAKE_ARGS);
  const order = { model: await smollm2(), prompt: PROMPT };
  const reference = referenceOf(await runnerIn(system, {}).answer({ ...order, gpu: "cpu" }));
  const results = [];
  for (const situation of await makeSituations(work, system)) {
    const runner = runnerIn(system, situation.env);
    const result = await system.without(situation.gone, () => examine("hip", runner, situation, order, reference));
    console.log(`${result.problems.length === 0 ? "holds" : "FAILS"}  ${situation.name}: ${result.reason}`);
    results.push(result);
  }
  const problems = [
    ...results.flatMap(({ situation, problems: own }) => own.map((problem) => `${situation}: ${problem}`)),
    ...(await judgeTwo(system)),
  ];
  const { sizeBytes } = readJson(join(dist, "hip", "build.json"));
  await write({
    llamaCpp: LLAMA_CPP_VERSION,
    date: new Date().toISOString().slice(0, 10),
    rocm: system.version(),
    addon: { architecture: ARCHITECTURE, sizeBytes, cmakeArguments: CMAKE_ARGS },
    cpuAlone: reference,
    situations: results,
    problems,
  });
  for (const problem of problems) console.log(`Problem: ${problem}`);
  console.log(problems.length === 0 ? "All holds." : `${problems.length} problems.`);
  return problems.length === 0 ? 0 : 1;
}

function missingHere() {
  if (process.platform !== "linux" || process.arch !== "x64" || process.getuid?.() !== 0)
    return "It needs Linux on x86-64, and root for mount namespaces.";
  if (!existsSync("/etc/debian_version")) return "It needs Debian, for its package manager.";
  if (existsSync("/dev/kfd")) return "It needs a machine without AMD's driver.";
  if (!existsSync(join(packageDir, "dist", "index.js"))) return "The library is not compiled. Run: npm run build";
  return null;
}

/** As a user of that system would. @param {import("./hip/system.mjs").RocmSystem} system @param {string} backend @param {string} args */
async function build(system, backend, args) {
  const env = { LLAMA_NATIVE_OUT_DIR: dist, LLAMA_NATIVE_CMAKE_ARGS: args, CC: "gcc", CXX: "g++" };
  const command = ["node", join(packageDir, "scripts", "build.mjs"), "--gpu", backend];
  const { code } = await system.run(command, env, (line) => console.log(line));
  if (code !== 0) throw new Error(`The build of the addon for ${backend} ended with ${code}`);
}

/**
 * @param {import("./hip/system.mjs").RocmSystem} system
 * @param {NodeJS.ProcessEnv} env
 * @returns {import("./fallback/examine.mjs").Runner}
 */
function runnerIn(system, env) {
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

/** Of two GPUs, of which the first has no kernels, the second is listed, by its own number. @param {import("./hip/system.mjs").RocmSystem} system */
async function judgeTwo(system) {
  const library = await compileGpus(work, system, { count: 2, kernels: "hipErrorInvalidKernelFile" });
  const { code, output } = await runnerIn(system, { LD_PRELOAD: library }).command(["doctor", "--json"]);
  /** @type {import("../src/index.js").SystemInfo | undefined} */
  const found = code === 0 ? JSON.parse(output).addon.system : undefined;
  const [device, ...others] = found?.devices.filter(({ name }) => name.startsWith("ROCm")) ?? [];
  const isRight = device?.name === "ROCm1" && device.description === "Stand-in 1" && others.length === 0;
  const isTold = found?.backendWarnings.some((words) => words.includes("no kernels for Stand-in 0 (gfx803)"));
  return isRight && isTold ? [] : [`two GPUs: ended with ${code}: ${output}`];
}

/** @param {object} result */
async function write(result) {
  const path = join(packageDir, "docs", "hip.json");
  const options = await resolveConfig(path);
  const text = JSON.stringify(result).replaceAll(`${work}/`, "");
  writeFileSync(path, await format(text, { ...options, parser: "json" }));
}
