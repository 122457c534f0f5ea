// One run of the proof, in a process of its own: a model with so many layers on the GPU, and what it says. The order comes as
// JSON in the first argument; the logits go to a file, the rest to standard output as one line of JSON.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageDir } from "../lib/paths.mjs";

/**
 * @typedef {object} Order
 * @property {string} model
 * @property {"cpu" | "vulkan"} gpu
 * @property {number} gpuLayers
 * @property {string[]} prompts answered greedily, all at once
 * @property {number} maxTokens
 * @property {string} text whose every position's logits are kept; where `logits` is null one token is evaluated
 * @property {string | null} logits file for them
 *
 * @typedef {{ tokens: number[][], devices: string[], gpuLayers: number, layerCount: number, vocabularySize: number }} Findings
 */

/** @type {{ loadModel: typeof import("../../src/index.js").loadModel, systemInfo: typeof import("../../src/index.js").systemInfo }} */
const { loadModel, systemInfo } = await import(pathToFileURL(join(packageDir, "dist", "index.js")).href);
/** @type {Order} */
const order = JSON.parse(process.argv[2] ?? "");
const model = await loadModel(order.model, { gpu: order.gpu, gpuLayers: order.gpuLayers });
const context = await model.createContext({ contextSize: 1024, sequences: 4, kvType: "f16" });
const { maxTokens } = order;
const answers = order.prompts.map((prompt) => context.generate({ prompt, temperature: 0, maxTokens, ignoreEos: true }));
const tokens = (await Promise.all(answers)).map((answer) => [...answer.tokens]);
await keepLogits();
const { gpuLayers = 0 } = model.fit ?? {};
const devices = systemInfo(order.gpu).devices.map(({ name, description }) => `${name}: ${description}`);
const { layerCount, vocabularySize } = model.info;
console.log(JSON.stringify({ tokens, devices, gpuLayers, layerCount, vocabularySize }));
// Mesa's software driver may crash while it is torn down, after all that was asked of it; that is not what is looked at.
process.kill(process.pid, "SIGKILL");

async function keepLogits() {
  const sequence = await context.sequence();
  const ids = model.tokenizer.encode(order.text, { addSpecial: true });
  if (order.logits === null) {
    await sequence.evaluate(ids.subarray(0, 1), { logits: "last" });
    return;
  }
  const rows = await sequence.evaluate(ids, { logits: "all" });
  if (rows === null) throw new Error("Expected logits of every position");
  writeFileSync(order.logits, rows);
}
