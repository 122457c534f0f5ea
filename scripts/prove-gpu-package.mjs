// `npm run proof:gpu-package`: builds this platform's packages for the CPU and for Vulkan, installs llama-native without network and
// without compilers, adds the GPU's package and takes it away again, and checks which addon is in use: with a device, without a
// driver, with a library that is broken, and with a package of another version. Writes docs/gpu-package.json, and fails where
// something is not as it must be. Linux alone, and root: the network is cut off by a namespace. Where there is no GPU, Mesa's
// software device (lavapipe) does with GGML_VK_VISIBLE_DEVICES=0, as a device that computes on the CPU is used once it is named.

import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { format, resolveConfig } from "prettier";
import { packageDir } from "./lib/paths.mjs";
import { LLAMA_CPP_VERSION } from "./lib/pins.mjs";
import { createReporter } from "./lib/reporter.mjs";
import { cachedModel } from "./models/cached-model.mjs";
import { countFiles } from "./package/installs.mjs";
import { requireNamespaces, runOffline } from "./package/namespace.mjs";
import { tarballOf } from "./package/supplies.mjs";
import { gatherGoods } from "./prebuilt/goods.mjs";
import { buildPackage } from "./release/build-package.mjs";
import { checkPackage } from "./release/check-package.mjs";
import { readTarget } from "./release/target.mjs";

/** @typedef {import("./gpu-package/offline.mjs").Found} Found @typedef {import("./gpu-package/run.mjs").Findings} Findings */

const BACKEND = "vulkan";
const LIBRARY = "libvulkan.so.1";
/** Of the tiny model: two layers and the output. */
const ALL_LAYERS = 3;

requireNamespaces();
const work = mkdtempSync(join(tmpdir(), "llama-native-gpu-package-"));
const reporter = createReporter();
try {
  process.exitCode = await main();
} finally {
  reporter.close();
  rmSync(work, { recursive: true, force: true });
}

async function main() {
  const [cpu, gpu] = [await build("cpu"), await build(BACKEND)];
  const check = await checkPackage(gpu);
  const goods = await gatherGoods([cpu, gpu], work);
  const name = basename(gpu);
  const [orderPath, resultPath] = [join(work, "order.json"), join(work, "result.json")];
  const [model] = await cachedModel({ shape: "tiny", type: "f16", seed: 1, split: 1, vocabularyOnly: false });
  writeFileSync(orderPath, JSON.stringify({ ...goods, work, package: name, library: LIBRARY, model }));
  /** @type {Found} */
  const found = runOffline(join(packageDir, "scripts", "gpu-package", "offline.mjs"), orderPath, resultPath);
  await write({
    llamaCpp: LLAMA_CPP_VERSION,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    package: {
      name,
      bytes: countFiles(gpu).bytes,
      tarballBytes: statSync(join(goods.folder, tarballOf(goods.supplies, name))).size,
      about: check.lines.slice(1),
    },
    found,
  });
  const problems = [...check.problems, ...judge(found, basename(cpu), name)];
  for (const problem of problems) console.log(`Problem: ${problem}`);
  console.log(problems.length === 0 ? "All holds." : `${problems.length} problems.`);
  return problems.length === 0 ? 0 : 1;
}

/** @param {import("./lib/settings.mjs").Backend} backend */
async function build(backend) {
  const target = readTarget(undefined, process.env);
  return await buildPackage({ backend, target, out: join(work, "packages"), reporter, verbose: false });
}

/**
 * @param {Found} found
 * @param {string} cpu the CPU's package
 * @param {string} gpu the GPU's
 */
function judge({ before, used, noDriver, brokenLibrary, otherVersion, after }, cpu, gpu) {
  /** @type {[string, Findings, RegExp | null][]} */
  const fallbacks = [
    ["before its install", before, null],
    ["without a driver", noDriver, /finds no device on this machine/],
    ["with a broken library", brokenLibrary, new RegExp(LIBRARY.replaceAll(".", "\\."))],
    ["in another version", otherVersion, /expected version .* but found 9\.9\.9/],
    ["after its removal", after, null],
  ];
  return [
    ...(used.package === gpu && used.backend === BACKEND ? [] : [`with a device ${used.package} is used`]),
    ...(used.gpuLayers === ALL_LAYERS ? [] : [`expected ${ALL_LAYERS} layers on the device but got ${used.gpuLayers}`]),
    ...(String(used.tokens) === String(before.tokens) ? [] : ["the device gives other tokens than the CPU"]),
    ...fallbacks.flatMap(([when, findings, reason]) => judgeFallback(when, findings, cpu, reason)),
  ];
}

/**
 * @param {string} when
 * @param {Findings} findings
 * @param {string} cpu
 * @param {RegExp | null} reason why the GPU's is not used; null where it is not there
 */
function judgeFallback(when, findings, cpu, reason) {
  const reasons = findings.passedOver.map((each) => `${each.backend}: ${each.reason}`);
  const isTold = reason === null ? reasons.length === 0 : reasons.length === 1 && reason.test(reasons[0] ?? "");
  return [
    ...(findings.package === cpu && findings.backend === "cpu" ? [] : [`${when} ${findings.package} is used`]),
    ...(isTold ? [] : [`${when} expected ${reason ?? "no reason"} but got ${reasons.join("; ")}`]),
  ];
}

/** @param {object} result */
async function write(result) {
  const path = join(packageDir, "docs", "gpu-package.json");
  const options = await resolveConfig(path);
  // Where the proof's folder lay is nobody's business later.
  const text = JSON.stringify(result).replaceAll(work, "…");
  writeFileSync(path, await format(text, { ...options, parser: "json" }));
}
