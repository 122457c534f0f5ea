// The part of the proof that has no network: run by prove-prebuilt.mjs in a network namespace of its own. Installs the package where
// there are no compilers, runs what README.md tells a new user to run, and then the models. Takes its order as a file's path,
// and leaves what it found in another.

import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { readJson } from "../lib/files.mjs";
import { packageDir } from "../lib/paths.mjs";
import { measure } from "../package/measure.mjs";
import { beginOffline } from "../package/namespace.mjs";
import { runReadme } from "../package/readme.mjs";
import { preparePlace } from "./place.mjs";
import { askVariant, compareSpeed, readLogits, start } from "./runs.mjs";

/**
 * @typedef {object} Wishes
 * @property {string} work where the program and the cache shall be
 * @property {string} package
 * @property {string} local the addon that is built for this machine
 * @property {Omit<import("./run.mjs").Order, "logits">} questions
 *
 * @typedef {import("./goods.mjs").Goods & Wishes} Order
 *
 * @typedef {object} Found
 * @property {import("../package/measure.mjs").InstallRow} install
 * @property {string} output of npm
 * @property {import("../package/readme.mjs").Said} readme
 * @property {import("./run.mjs").Findings} best with the kernels that are chosen
 * @property {import("./run.mjs").Findings} own of the local addon
 * @property {import("./runs.mjs").VariantRun[]} variants
 * @property {Awaited<ReturnType<typeof compareSpeed>>} speed
 */

const ROUNDS = 5;

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
  const { row: install, output } = await measure("llama-native", "prebuilt", place, { ...order, registry });
  const readme = await runReadme(order.questions.model, place);
  copyFileSync(join(packageDir, "scripts", "prebuilt", "run.mjs"), join(place.folder, "run.mjs"));
  const { questions, local } = order;
  const best = await start(place, questions, {});
  const reference = readLogits(place);
  const own = await start(place, questions, { LLAMA_NATIVE_ADDON: local });
  const installed = join(place.folder, "node_modules", order.package);
  const variants = [];
  for (const variant of readJson(join(installed, "build.json")).variants)
    variants.push(await askVariant(place, questions, { installed, variant, best, reference }));
  const speed = await compareSpeed(place, questions, local, ROUNDS);
  return { install, output, readme, best, own, variants, speed };
}
