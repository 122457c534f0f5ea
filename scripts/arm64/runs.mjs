// Runs of the installed package in the emulation, beside the addon of this machine.

import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { packageDir } from "../lib/paths.mjs";
import { askVariant, readLogits, start } from "../prebuilt/runs.mjs";
import { compareLogits } from "../vulkan/compare.mjs";

/**
 * @typedef {import("../package/installs.mjs").Place} Place
 * @typedef {{ model: string, path: string }} Model
 * @typedef {import("../vulkan/compare.mjs").Likeness & { model: string, text: string }} Answer beside this machine's
 * @typedef {{ model: string, failure: string }} Failure
 *
 * @typedef {object} CpuRun
 * @property {string} cpu as QEMU calls it
 * @property {string | null} variant in use
 * @property {string} origin of the addon
 * @property {string | null} package
 * @property {string[]} features
 * @property {(Answer | Failure)[]} answers
 *
 * @typedef {object} Runs
 * @property {string[]} texts of this machine's addon, one for each model
 * @property {CpuRun[]} cpus with the kernels that are chosen
 * @property {{ variant: string, answers: (Answer | Failure)[] }[]} alone those that no CPU chose, by themselves
 *
 * @typedef {object} Order
 * @property {Place} place where the package is installed
 * @property {Place} emulated the same
 * @property {string} name of the package
 * @property {string[]} variants
 * @property {readonly string[]} cpus
 * @property {string} local this machine's addon
 * @property {Model[]} models
 *
 * @typedef {{ model: string, order: Omit<import("../prebuilt/run.mjs").Order, "logits">, found: import("../prebuilt/run.mjs").Findings, logits: Float32Array }} Reference
 */

const PROMPT = "The sun is a star at the centre of";
const TEXT = "The sun is a star. Eight planets go around it, and the third of them is the Earth.";
const MAX_TOKENS = 12;

/** With all that QEMU can emulate, in vectors of the three lengths that CPUs have. */
export const ALL_FEATURES = [16, 32, 64].map((bytes) => `max,sve-default-vector-length=${bytes}`);
/** CPUs of phones, small boards and servers; the last but one has SVE without the products of bytes that kernels for SVE use. */
export const CPUS = ["cortex-a53", "cortex-a76", "neoverse-n1", "a64fx", "max,sve=off,sme=off", ...ALL_FEATURES];

/** @param {Order} order @returns {Promise<Runs>} */
export async function proveRuns({ place, emulated, name, variants, cpus: names, local, models }) {
  copyFileSync(join(packageDir, "scripts", "prebuilt", "run.mjs"), join(place.folder, "run.mjs"));
  const references = [];
  for (const { model, path } of models) references.push(await ask(place, model, path, local));
  /** @type {CpuRun[]} */
  const cpus = [];
  for (const cpu of names) cpus.push(await askCpu(emulated, cpu, references));
  const installed = join(place.folder, "node_modules", name);
  const alone = [];
  for (const variant of variants.filter((each) => !cpus.some((run) => run.variant === each))) {
    alone.push({ variant, answers: await askAlone(emulated, { installed, variant }, references) });
  }
  return { texts: references.map(({ found }) => found.text), cpus, alone };
}

/** What this machine says. @param {Place} place @param {string} model @param {string} path @param {string} local */
async function ask(place, model, path, local) {
  const order = { model: path, prompt: PROMPT, longPrompt: PROMPT, maxTokens: MAX_TOKENS, text: TEXT };
  const found = await start(place, order, { LLAMA_NATIVE_ADDON: local });
  return { model, order, found, logits: readLogits(place) };
}

/** @param {Place} place @param {string} cpu @param {Reference[]} references @returns {Promise<CpuRun>} */
async function askCpu(place, cpu, references) {
  /** @type {CpuRun} */
  const run = { cpu, variant: null, origin: "none", package: null, features: [], answers: [] };
  for (const { model, order, logits } of references) {
    console.log(`${cpu}: ${model}`);
    await keep(run.answers, model, async () => {
      const found = await start(place, order, { QEMU_CPU: cpu });
      const { variant, origin, features, text } = found;
      Object.assign(run, { variant, origin, package: found.package, features });
      const likeness = compareLogits(logits, readLogits(place), found.vocabularySize);
      return { model, text, ...likeness };
    });
  }
  return run;
}

/** @param {Place} place @param {{ installed: string, variant: string }} what @param {Reference[]} references */
async function askAlone(place, { installed, variant }, references) {
  const [cpu = ""] = ALL_FEATURES;
  const there = { ...place, env: { ...place.env, QEMU_CPU: cpu } };
  /** @type {(Answer | Failure)[]} */
  const answers = [];
  for (const { model, order, found: best, logits: reference } of references) {
    console.log(`${variant} alone: ${model}`);
    await keep(answers, model, async () => {
      const run = await askVariant(there, order, { installed, variant, best, reference });
      if ("refused" in run) return { model, failure: run.refused };
      const { text, likeliestEqual, divergence, leastCosine } = run;
      return { model, text, likeliestEqual, divergence, leastCosine };
    });
  }
  return answers;
}

/**
 * One that ends its process is a finding too.
 * @param {(Answer | Failure)[]} answers
 * @param {string} model
 * @param {() => Promise<Answer | Failure>} run
 */
async function keep(answers, model, run) {
  try {
    answers.push(await run());
  } catch (error) {
    answers.push({ model, failure: (error instanceof Error ? error.message : String(error)).slice(-500) });
  }
}
