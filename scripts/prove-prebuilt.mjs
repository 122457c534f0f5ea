// `npm run proof:prebuilt`: builds this platform's package, installs it with the main package in an empty folder without network
// and without compilers, and runs a model there: with the kernels that are chosen for this CPU, with those for lesser ones, and
// beside the addon that is built for this machine. Writes docs/prebuilt.json, and fails where something is not as it must be.
// Linux alone, and root: the network is cut off by a namespace.

import { copyFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { format, resolveConfig } from "prettier";
import { buildAddon } from "./lib/build-addon.mjs";
import { listIfThere, readJson } from "./lib/files.mjs";
import { packageDir } from "./lib/paths.mjs";
import { LLAMA_CPP_VERSION } from "./lib/pins.mjs";
import { createReporter } from "./lib/reporter.mjs";
import { buildPackage } from "./release/build-package.mjs";
import { checkPackage } from "./release/check-package.mjs";
import { packMain, packPlatform } from "./release/pack-tarballs.mjs";
import { install, sizeOf } from "./prebuilt/consumer.mjs";
import { askVariant, compareSpeed, readLogits, start } from "./prebuilt/runs.mjs";

/**
 * @typedef {import("./prebuilt/run.mjs").Findings} Findings
 * @typedef {import("./prebuilt/runs.mjs").VariantRun} VariantRun
 */

const ROUNDS = 5;
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

const work = mkdtempSync(join(tmpdir(), "llama-native-prebuilt-"));
const reporter = createReporter();
try {
  process.exitCode = await main();
} finally {
  reporter.close();
  rmSync(work, { recursive: true, force: true });
}

async function main() {
  const env = process.env;
  const folder = await buildPackage({ backend: "cpu", out: join(work, "packages"), reporter, verbose: false, env });
  const check = await checkPackage(folder);
  const { path: local } = await buildAddon({ backend: "cpu", reporter });
  const platform = await packPlatform(folder, work);
  const consumer = await install(work, [platform, await packMain(work)]);
  copyFileSync(join(packageDir, "scripts", "prebuilt", "run.mjs"), join(consumer.folder, "run.mjs"));
  const { name } = readJson(join(folder, "package.json"));
  const installed = join(consumer.folder, "node_modules", name);
  const order = { model: await smollm2(), prompt: PROMPT, longPrompt: LONG_PROMPT, maxTokens: MAX_TOKENS, text: TEXT };

  const best = await start(consumer, order, {});
  const reference = readLogits(consumer);
  const own = await start(consumer, order, { LLAMA_NATIVE_ADDON: local });
  const { variants } = readJson(join(installed, "build.json"));
  const lesser = [];
  for (const variant of variants)
    lesser.push(await askVariant(consumer, order, { installed, variant, best, reference }));
  const speed = await compareSpeed(consumer, order, local, ROUNDS);
  await write({
    llamaCpp: LLAMA_CPP_VERSION,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model ?? "unknown",
    package: { name, bytes: sizeOf(installed), tarballBytes: statSync(platform).size, about: check.lines.slice(1) },
    nodeModulesBytes: consumer.bytes,
    chosen: { ...best, loadMilliseconds: Math.round(best.loadMilliseconds) },
    localTextEqual: own.text === best.text,
    variants: lesser,
    speed,
  });
  const problems = [...check.problems, ...judgeInstall(consumer, name), ...judgeRuns(best, own, lesser, speed.ratio)];
  for (const problem of problems) console.log(`Problem: ${problem}`);
  console.log(problems.length === 0 ? "All holds." : `${problems.length} problems.`);
  return problems.length === 0 ? 0 : 1;
}

/**
 * Nothing was built, and npm said which package serves.
 * @param {import("./prebuilt/consumer.mjs").Consumer} consumer
 * @param {string} name
 */
function judgeInstall({ folder, env, output }, name) {
  const own = join(folder, "node_modules", "llama-native", "native");
  const cached = listIfThere(env.LLAMA_NATIVE_CACHE_DIR ?? "");
  return [
    ...(output.includes(`nothing to build for cpu: ${name} is used`) ? [] : [`npm said:\n${output}`]),
    ...(readdirSync(own).includes("dist") ? ["an addon was built"] : []),
    ...["addons", "build", "sources"].filter((each) => cached.includes(each)).map((each) => `the cache has ${each}`),
  ];
}

/**
 * @param {Findings} best
 * @param {Findings} own
 * @param {VariantRun[]} variants
 * @param {number} ratio
 */
function judgeRuns(best, own, variants, ratio) {
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

async function smollm2() {
  const { resolveModel } = await import(pathToFileURL(join(packageDir, "dist", "hub", "index.js")).href);
  return await resolveModel("smollm2");
}

/** @param {object} result */
async function write(result) {
  const path = join(packageDir, "docs", "prebuilt.json");
  const options = await resolveConfig(path);
  writeFileSync(path, await format(JSON.stringify(result), { ...options, parser: "json" }));
}
