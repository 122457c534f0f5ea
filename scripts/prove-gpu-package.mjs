// `npm run proof:gpu-package`: builds this platform's packages for the CPU and for Vulkan, installs llama-native without network and
// without compilers, adds the GPU's package and takes it away again, and checks which addon is in use: with a device, without a
// driver, with a library that is broken, and with a package of another version. Writes docs/gpu-package.json, and fails where
// something is not as it must be. Linux alone, and root: the network is cut off by a namespace. Where there is no GPU, Mesa's
// software device (lavapipe) does with GGML_VK_VISIBLE_DEVICES=0, as a device that computes on the CPU is used once it is named.

import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { packageDir } from "./lib/paths.mjs";
import { cachedModel } from "./models/cached-model.mjs";
import { requireNamespaces, runOffline } from "./package/namespace.mjs";
import { publish } from "./package/page.mjs";
import { gatherGoods } from "./prebuilt/goods.mjs";
import { describeProof, runProof } from "./prebuilt/proof.mjs";
import { buildPackage } from "./release/build-package.mjs";
import { checkPackage } from "./release/check-package.mjs";
import { readTarget } from "./release/target.mjs";

/** @typedef {import("./gpu-package/offline.mjs").Found} Found @typedef {import("./gpu-package/run.mjs").Findings} Findings */

const BACKEND = "vulkan";
const LIBRARY = "libvulkan.so.1";
/** Of the tiny model: two layers and the output. */
const ALL_LAYERS = 3;

requireNamespaces();
await runProof("gpu-package", async ({ work, reporter }) => {
  const target = readTarget(undefined, process.env);
  const common = { target, out: join(work, "packages"), reporter, verbose: false };
  const cpu = await buildPackage({ ...common, backend: "cpu" });
  const gpu = await buildPackage({ ...common, backend: BACKEND });
  const check = await checkPackage(gpu);
  const goods = await gatherGoods([cpu, gpu], work);
  const name = basename(gpu);
  const [orderPath, resultPath] = [join(work, "order.json"), join(work, "result.json")];
  const [model] = await cachedModel({ shape: "tiny", type: "f16", seed: 1, split: 1, vocabularyOnly: false });
  writeFileSync(orderPath, JSON.stringify({ ...goods, work, package: name, library: LIBRARY, model }));
  /** @type {Found} */
  const found = runOffline(join(packageDir, "scripts", "gpu-package", "offline.mjs"), orderPath, resultPath);
  // Where the proof's folder lay is nobody's business later.
  const kept = JSON.parse(JSON.stringify(found).replaceAll(work, "…"));
  await publish("gpu-package.json", { ...describeProof(gpu, check, goods), found: kept });
  return [...check.problems, ...judge(found, basename(cpu), name)];
});

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
