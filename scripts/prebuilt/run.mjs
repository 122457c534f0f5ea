// One run of the proof, in the folder of a program that has installed the package: what the addon says of the machine, and a
// greedy answer with its speed. The order comes as JSON in the first argument, the findings as one line of JSON.

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/**
 * @typedef {object} Order
 * @property {string} model
 * @property {string} prompt
 * @property {string} longPrompt
 * @property {number} maxTokens
 * @property {string} text whose every position's logits are kept
 * @property {string} logits file for them
 *
 * @typedef {object} Findings
 * @property {string} text
 * @property {string[]} features
 * @property {string | null} variant
 * @property {string} origin
 * @property {string | null} package
 * @property {number} tokensPerSecond of one core: waits for cores that others take are left out
 * @property {number} promptTokensPerSecond
 * @property {number} vocabularySize
 * @property {number} loadMilliseconds from the first look for an addon to what it says of the machine
 */

// Not this file's package, but the one that is installed where the program runs.
const installed = createRequire(pathToFileURL(`${process.cwd()}/`)).resolve("llama-native/package.json");
/** @type {typeof import("../../src/index.js")} */
const { loadModel, systemInfo } = await import(new URL("dist/index.js", pathToFileURL(installed)).href);
/** @type {Order} */
const order = JSON.parse(process.argv[2] ?? "");

const began = performance.now();
const { cpuFeatures, cpuVariant, addon } = systemInfo();
const loadMilliseconds = performance.now() - began;
const model = await loadModel(order.model);
const context = await model.createContext({ contextSize: 2048, threads: 1, batchThreads: 1 });
await generate(order.prompt, 4);
const answer = await generate(order.prompt, order.maxTokens);
const long = await generate(order.longPrompt, 1);
await keepLogits();
const { vocabularySize } = model.info;
await model.dispose();
console.log(
  JSON.stringify({
    text: answer.text,
    features: cpuFeatures,
    variant: cpuVariant,
    origin: addon.origin,
    package: addon.package,
    tokensPerSecond: answer.usage.completionTokens / answer.seconds,
    promptTokensPerSecond: long.usage.promptTokens / long.seconds,
    loadMilliseconds,
    vocabularySize,
  }),
);

/** @param {string} prompt @param {number} maxTokens */
async function generate(prompt, maxTokens) {
  const before = process.cpuUsage();
  const { text, usage } = await context.generate({
    ...{ prompt, maxTokens, temperature: 0, ignoreEos: true, cachePrompt: false },
  });
  const { user, system } = process.cpuUsage(before);
  return { text, usage, seconds: (user + system) / 1e6 };
}

async function keepLogits() {
  const sequence = await context.sequence();
  const rows = await sequence.evaluate(model.tokenizer.encode(order.text, { addSpecial: true }), { logits: "all" });
  if (rows === null) throw new Error("Expected logits of every position");
  writeFileSync(order.logits, rows);
}
