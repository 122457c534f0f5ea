// One run of the proof, in the folder of a program that has installed the packages: which addon is in use and why others are not,
// and what a model says greedily with all layers where there is a device. The model's path comes as the argument; the findings
// are one line of JSON.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/**
 * @typedef {object} Findings
 * @property {string} backend
 * @property {string} origin
 * @property {string | null} package
 * @property {string[]} devices
 * @property {{ backend: string, reason: string, advice: string }[]} passedOver
 * @property {number} gpuLayers
 * @property {number[]} tokens
 */

// Not this file's package, but the one that is installed where the program runs.
const installed = createRequire(pathToFileURL(`${process.cwd()}/`)).resolve("llama-native/package.json");
/** @type {typeof import("../../src/index.js")} */
const { loadModel, systemInfo } = await import(new URL("dist/index.js", pathToFileURL(installed)).href);

const { backend, addon, devices, passedOver } = systemInfo();
const model = await loadModel(process.argv[2] ?? "");
const context = await model.createContext({ contextSize: 256 });
const prompt = "The third planet from the sun is";
const { tokens } = await context.generate({ prompt, maxTokens: 16, temperature: 0, ignoreEos: true });
const gpuLayers = model.fit?.gpuLayers ?? 0;
await model.dispose();
const names = devices.map(({ name, description }) => `${name} (${description})`);
/** @type {Findings} */
const findings = {
  ...{ backend, origin: addon.origin, package: addon.package, devices: names },
  ...{ passedOver: [...passedOver], gpuLayers, tokens: [...tokens] },
};
console.log(JSON.stringify(findings));
