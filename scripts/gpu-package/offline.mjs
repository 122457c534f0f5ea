// The part of the proof that has no network: run by prove-gpu-package.mjs in a network namespace of its own. Installs llama-native
// with the CPU's package, adds the GPU's and takes it away again, and asks each time which addon is in use. Takes its order as a
// file's path, and leaves what it found in another.

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readJson, writeJson } from "../lib/files.mjs";
import { packageDir } from "../lib/paths.mjs";
import { inPlace, install, runNpm } from "../package/installs.mjs";
import { beginOffline } from "../package/namespace.mjs";
import { preparePlace } from "../prebuilt/place.mjs";

/**
 * @typedef {object} Wishes
 * @property {string} work where the program and the cache shall be
 * @property {string} package the GPU's
 * @property {string} library the system's that its backend is linked with
 * @property {string} model
 *
 * @typedef {import("../prebuilt/goods.mjs").Goods & Wishes} Order
 * @typedef {import("./run.mjs").Findings} Findings
 * @typedef {Record<"before" | "used" | "noDriver" | "brokenLibrary" | "otherVersion" | "after", Findings>} Found
 */

/** @type {{ order: Order, registry: import("../package/registry.mjs").Registry, keep: (found: Found) => void }} */
const { order, registry, keep } = await beginOffline();
try {
  keep(await prove());
} finally {
  await registry.close();
}

/** @returns {Promise<Found>} */
async function prove() {
  const place = preparePlace({ ...order, registry: registry.url });
  await install("llama-native", place);
  copyFileSync(join(packageDir, "scripts", "gpu-package", "run.mjs"), join(place.folder, "run.mjs"));
  const before = await ask(place, {});
  await runNpm(["install", order.package], place);
  const used = await ask(place, {});
  // No manifest of a driver, as where none is installed.
  const noDriver = await ask(place, { VK_DRIVER_FILES: join(order.work, "none.json") });
  const brokenLibrary = await ask(place, { LD_LIBRARY_PATH: breakLibrary() });
  const otherVersion = await askWithVersion(place, "9.9.9");
  await runNpm(["uninstall", order.package], place);
  return { before, used, noDriver, brokenLibrary, otherVersion, after: await ask(place, {}) };
}

/**
 * @param {import("../package/installs.mjs").Place} place
 * @param {NodeJS.ProcessEnv} more
 * @returns {Promise<Findings>}
 */
async function ask(place, more) {
  const env = { ...place.env, ...more };
  const output = await inPlace(place.npm.node, ["run.mjs", order.model], { ...place, env });
  return JSON.parse(output.trim().split("\n").at(-1) ?? "");
}

/** @returns {string} a folder that a system's loader looks into first */
function breakLibrary() {
  const folder = join(order.work, "broken");
  mkdirSync(folder);
  writeFileSync(join(folder, order.library), "");
  return folder;
}

/** @param {import("../package/installs.mjs").Place} place @param {string} version */
async function askWithVersion(place, version) {
  const path = join(place.folder, "node_modules", order.package, "package.json");
  const manifest = readJson(path);
  writeJson(path, { ...manifest, version });
  const found = await ask(place, {});
  writeJson(path, manifest);
  return found;
}
