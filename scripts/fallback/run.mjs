// One run of a proof of CUDA or HIP: which addon serves, why others do not, and a greedy answer. The order comes as JSON in the first
// argument, the outcome as one line of JSON.

import { once } from "node:events";
import { isMainThread, Worker } from "node:worker_threads";

/**
 * @typedef {object} Order
 * @property {string} library
 * @property {string} model
 * @property {string} prompt
 * @property {"auto" | "cuda" | "hip" | "cpu"} [gpu] the option of loadModel; without it LLAMA_NATIVE_GPU decides
 * @property {boolean} [inWorker] do it in a worker thread, which ends before the process does
 *
 * @typedef {{ backend: string, reason: string, advice: string }} PassedOver
 * @typedef {object} Findings
 * @property {string} backend
 * @property {PassedOver[]} passedOver
 * @property {string[]} warnings
 * @property {string} text
 * @property {number} lookMilliseconds from the first look for an addon to what it says of the machine
 * @property {number} peakBytes of RAM, after the look
 *
 * @typedef {{ code: string, message: string, details: object }} Failure
 */

/** @type {Order} */
const order = JSON.parse(process.argv[2] ?? "");
if (order.inWorker === true && isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { argv: [process.argv[2]] });
  const [code] = await once(worker, "exit");
  process.exitCode = code;
} else {
  console.log(JSON.stringify(await answer().catch(describe)));
}

/** @returns {Promise<Findings>} */
async function answer() {
  /** @type {typeof import("../../src/index.js")} */
  const { loadModel, systemInfo } = await import(order.library);
  const began = performance.now();
  const { backend, passedOver, backendWarnings: warnings } = systemInfo(order.gpu);
  const lookMilliseconds = Math.round(performance.now() - began);
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  const model = await loadModel(order.model, order.gpu === undefined ? {} : { gpu: order.gpu });
  const context = await model.createContext({ contextSize: 512 });
  const { text } = await context.generate({ prompt: order.prompt, maxTokens: 24, temperature: 0, ignoreEos: true });
  await model.dispose();
  return { backend, passedOver: [...passedOver], warnings, text, lookMilliseconds, peakBytes };
}

/** @param {unknown} error @returns {Failure} */
function describe(error) {
  const { code = "none", message = String(error), details = {} } = /** @type {Partial<Failure>} */ (error);
  return { code, message, details };
}
