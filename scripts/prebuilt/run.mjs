// One run of the proof, in the folder of a program that has installed the package: what the addon says of the machine, and a
// greedy answer with its speed. The order comes as JSON in the first argument, the findings as one line of JSON.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/**
 * @typedef {object} Order
 * @property {string} model
 * @property {string} prompt
 * @property {string} longPrompt
 * @property {number} maxTokens
 *
 * @typedef {object} Findings
 * @property {string} text
 * @property {string[]} features
 * @property {string | null} variant
 * @property {string} origin
 * @property {string | null} package
 * @property {number} tokensPerSecond
 * @property {number} promptTokensPerSecond
 * @property {number} loadMilliseconds from the first look for an addon to what it says of the machine
 */

// Not this file's package, but the one that is installed where the program runs.
const installed = createRequire(pathToFileURL(`${process.cwd()}/`)).resolve("llama-native/package.json");
/** @type {typeof import("../../src/index.js")} */
const { loadModel, systemInfo } = await import(new URL("dist/index.js", pathToFileURL(installed)).href);
/** @type {Order} */
const { model: path, prompt, longPrompt, maxTokens } = JSON.parse(process.argv[2] ?? "");

const began = performance.now();
const { cpuFeatures, cpuVariant, addon } = systemInfo();
const loadMilliseconds = performance.now() - began;
const model = await loadModel(path);
const context = await model.createContext({ contextSize: 2048 });
const answer = { temperature: 0, ignoreEos: true, cachePrompt: false };
await context.generate({ ...answer, prompt, maxTokens: 4 });
const { text, timings } = await context.generate({ ...answer, prompt, maxTokens });
const long = await context.generate({ ...answer, prompt: longPrompt, maxTokens: 1 });
await model.dispose();
console.log(
  JSON.stringify({
    text,
    features: cpuFeatures,
    variant: cpuVariant,
    origin: addon.origin,
    package: addon.package,
    tokensPerSecond: timings.tokensPerSecond,
    promptTokensPerSecond: long.timings.promptTokensPerSecond,
    loadMilliseconds,
  }),
);
