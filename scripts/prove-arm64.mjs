// `npm run proof:arm64`: builds the package of Linux on arm64 with a cross compiler, installs it as npm does on such a machine, and
// runs it in QEMU's emulation of several CPUs: each must get the kernels meant for it, end no process with an instruction that it
// lacks, and say what the addon of this machine says. Writes docs/arm64.json, and fails where something is not as it must be.
// Speed is not looked at: an emulation has none. Linux on x64, with Debian's g++-aarch64-linux-gnu and qemu-user.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildAddon } from "./lib/build-addon.mjs";
import { findExecutable } from "./lib/executables.mjs";
import { readJson } from "./lib/files.mjs";
import { packageDir } from "./lib/paths.mjs";
import { LLAMA_CPP_VERSION } from "./lib/pins.mjs";
import { createReporter } from "./lib/reporter.mjs";
import { buildPackage } from "./release/build-package.mjs";
import { checkPackage } from "./release/check-package.mjs";
import { readTarget } from "./release/target.mjs";
import { emulate, fetchNode } from "./arm64/emulator.mjs";
import { proveRuns } from "./arm64/runs.mjs";
import { judgeRuns } from "./arm64/judgement.mjs";
import { cachedModel } from "./models/cached-model.mjs";
import { countFiles, install } from "./package/installs.mjs";
import { publish } from "./package/page.mjs";
import { serveSupplies } from "./package/registry.mjs";
import { tarballOf } from "./package/supplies.mjs";
import { gatherGoods } from "./prebuilt/goods.mjs";

/** What npm goes by on such a machine; install scripts would run here, and not there. */
const MACHINE = { npm_config_os: "linux", npm_config_cpu: "arm64", npm_config_libc: "glibc" };
const NODE = "22.23.5";
/** Besides SmolLM2: small, of random weights, in the types that models of users mostly are. */
const TYPES = /** @type {const} */ (["q4_0", "q8_0", "q4_k_m", "q5_k_m"]);

if (findExecutable("qemu-aarch64") === null) {
  console.error("Expected the program qemu-aarch64 but found none: apt-get install qemu-user g++-aarch64-linux-gnu");
  process.exit(1);
}
const work = mkdtempSync(join(tmpdir(), "llama-native-arm64-"));
const reporter = createReporter();
try {
  process.exitCode = await main();
} finally {
  reporter.close();
  rmSync(work, { recursive: true, force: true });
}

async function main() {
  const target = readTarget("linux-arm64", process.env);
  const folder = await buildPackage({ backend: "cpu", target, out: join(work, "packages"), reporter, verbose: false });
  const check = await checkPackage(folder);
  const { path: local } = await buildAddon({ backend: "cpu", reporter });
  const { place, tarballBytes } = await installPackage(folder);
  const node = await fetchNode(NODE, join(work, "node"));
  const { compiler, variants } = readJson(join(folder, "build.json"));
  const foundRuns = await proveRuns({
    ...{ place, variants, local, models: await gatherModels(), name: basename(folder) },
    emulated: emulate(place, node, join(work, "emulated-node")),
  });
  await publish("arm64.json", {
    ...{ llamaCpp: LLAMA_CPP_VERSION, node: `v${NODE}`, date: new Date().toISOString().slice(0, 10), compiler },
    emulator: execFileSync("qemu-aarch64", ["--version"], { encoding: "utf8" }).split("\n")[0],
    package: {
      ...{ name: basename(folder), bytes: countFiles(folder).bytes, tarballBytes, about: check.lines.slice(1) },
    },
    ...foundRuns,
  });
  const problems = [...check.problems, ...judgeRuns(foundRuns, basename(folder), variants)];
  for (const problem of problems) console.log(`Problem: ${problem}`);
  console.log(problems.length === 0 ? "All holds." : `${problems.length} problems.`);
  return problems.length === 0 ? 0 : 1;
}

/**
 * Installs llama-native from a registry of this machine that has the package among those of other platforms.
 * @param {string} platform the package's folder
 */
async function installPackage(platform) {
  const { folder, supplies, npm } = await gatherGoods([platform], work);
  const registry = await serveSupplies(folder, supplies);
  try {
    const env = { LLAMA_NATIVE_CACHE_DIR: join(work, "cache") };
    const place = { folder: join(work, "program"), npm, registry: registry.url, env };
    await install("llama-native", { ...place, env: { ...MACHINE, npm_config_ignore_scripts: "true" } });
    return { place, tarballBytes: statSync(join(folder, tarballOf(supplies, basename(platform)))).size };
  } finally {
    await registry.close();
  }
}

/** @returns {Promise<import("./arm64/runs.mjs").Model[]>} */
async function gatherModels() {
  const { resolveModel } = await import(pathToFileURL(join(packageDir, "dist", "hub", "index.js")).href);
  const models = [{ model: "SmolLM2", path: await resolveModel("smollm2") }];
  for (const type of TYPES) {
    const options = /** @type {const} */ ({ shape: "tiny", type, seed: 1, split: 1, vocabularyOnly: false });
    const [path = ""] = await cachedModel(options);
    models.push({ model: type, path });
  }
  return models;
}
