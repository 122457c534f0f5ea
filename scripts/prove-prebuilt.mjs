// `npm run proof:prebuilt`: builds this platform's package, installs it with the main package in an empty folder without network
// and without compilers, runs there what README.md tells a new user to run, and a model: with the kernels that are chosen for this
// CPU, with those for lesser ones, and beside the addon that is built for this machine. Writes docs/prebuilt.json and its row of
// docs/package.md, and fails where something is not as it must be. Linux alone, and root: the network is cut off by a namespace.

import { readdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename, join } from "node:path";
import { buildAddon } from "./lib/build-addon.mjs";
import { listIfThere } from "./lib/files.mjs";
import { packageDir } from "./lib/paths.mjs";
import { smollm2 } from "./models/smollm2.mjs";
import { buildPackage } from "./release/build-package.mjs";
import { checkPackage } from "./release/check-package.mjs";
import { readTarget } from "./release/target.mjs";
import { requireNamespaces, runOffline } from "./package/namespace.mjs";
import { publish } from "./package/page.mjs";
import { gatherGoods } from "./prebuilt/goods.mjs";
import { describeProof, judgeInstalledSize, runProof } from "./prebuilt/proof.mjs";

/** @typedef {import("./prebuilt/offline.mjs").Found} Found @typedef {import("./prebuilt/offline.mjs").Order} Order */

const MAX_TOKENS = 64;
const PROMPT = "The sun is a star at the centre of the solar system.";
const LONG_PROMPT = Array.from({ length: 40 }, (_, i) => `In the year ${1900 + i} many things happened.`).join(" ");
/** Of the locally built addon's speed; what the proof asks for at least. Set before the first run. */
const LEAST_RATIO = 0.9;
/** Of the logits beside those of the chosen kernels: others add up in another order, and those without AVX2 round otherwise. */
const LEAST_COSINE = 0.99;
const LEAST_LIKELIEST = 0.8;
const TEXT =
  "The sun is a star at the centre of the solar system. It is a nearly round ball of hot plasma, heated by reactions in its " +
  "core, and it gives off its energy as light. Eight planets go around it, and the third of them is the Earth.";

requireNamespaces();
await runProof("prebuilt", async ({ work, reporter }) => {
  const target = readTarget(undefined, process.env);
  const folder = await buildPackage({ backend: "cpu", target, out: join(work, "packages"), reporter, verbose: false });
  const check = await checkPackage(folder);
  const { path: local } = await buildAddon({ backend: "cpu", reporter });
  const order = await gather(folder, local, work);
  const [orderPath, resultPath] = [join(work, "order.json"), join(work, "result.json")];
  writeFileSync(orderPath, JSON.stringify(order));
  /** @type {Found} */
  const found = runOffline(join(packageDir, "scripts", "prebuilt", "offline.mjs"), orderPath, resultPath);
  const { install, readme, best, own, variants, speed } = found;
  await publish("prebuilt.json", {
    ...describeProof(folder, check, order),
    cpu: cpus()[0]?.model ?? "unknown",
    ...{ install, readme },
    chosen: { ...best, loadMilliseconds: Math.round(best.loadMilliseconds) },
    localTextEqual: own.text === best.text,
    ...{ variants, speed },
  });
  return [...check.problems, ...judgeInstall(found, order), ...judgeRuns(found)];
});

/**
 * What the part without network needs.
 * @param {string} platform the package's folder
 * @param {string} local the addon that is built for this machine
 * @param {string} work
 * @returns {Promise<Order>}
 */
async function gather(platform, local, work) {
  const { folder, supplies, npm } = await gatherGoods([platform], work);
  const model = await smollm2();
  const questions = { model, prompt: PROMPT, longPrompt: LONG_PROMPT, maxTokens: MAX_TOKENS, text: TEXT };
  return { folder, supplies, npm, work, package: basename(platform), local, questions };
}

/**
 * Nothing was built, and npm said which package serves.
 * @param {Found} found
 * @param {Order} order
 */
function judgeInstall({ output, install: { installedBytes } }, { package: name, work }) {
  const own = join(work, "program", "node_modules", "llama-native", "native");
  const cached = listIfThere(join(work, "cache"));
  return [
    ...(output.includes(`nothing to build for cpu: ${name} is used`) ? [] : [`npm said:\n${output}`]),
    ...(readdirSync(own).includes("dist") ? ["an addon was built"] : []),
    ...judgeInstalledSize(installedBytes),
    ...["addons", "build", "sources"].filter((each) => cached.includes(each)).map((each) => `the cache has ${each}`),
  ];
}

/** @param {Found} found */
function judgeRuns({ best, own, variants, speed: { ratio } }) {
  const runnable = variants.filter((each) => "text" in each);
  const missing = own.features.filter((feature) => !best.features.includes(feature));
  return [
    ...(best.origin === "prebuilt" && best.variant !== null ? [] : [`the addon in use is ${best.origin}`]),
    ...(missing.length === 0 ? [] : [`the chosen kernels make no use of ${missing.join(", ")}`]),
    ...(own.text === best.text ? [] : [`expected the locally built addon's text but got: ${best.text}`]),
    ...(runnable.some(({ variant }) => variant === "x64") ? [] : ["the kernels for any CPU did not run"]),
    ...runnable.filter(({ used, variant }) => used !== variant).map(({ variant }) => `${variant} was not in use`),
    ...runnable.filter(isUnlike).map(({ variant }) => `${variant} says something else`),
    ...(ratio >= LEAST_RATIO ? [] : [`expected ${LEAST_RATIO} of the local addon's speed but got ${ratio.toFixed(3)}`]),
  ];
}

/** @param {import("./prebuilt/runs.mjs").Run} run */
function isUnlike({ leastCosine, likeliestEqual }) {
  return leastCosine < LEAST_COSINE || likeliestEqual < LEAST_LIKELIEST;
}
