// The worker thread of smoke.mjs: loads the addon again, generates, and ends as it is told.

import { parentPort, workerData } from "node:worker_threads";

const { library, modelPath, end } = workerData;
/** @type {typeof import("../../src/index.js")} */
const { loadModel } = await import(library);
const model = await loadModel(modelPath);
const context = await model.createContext({ contextSize: 1024 });
const { usage } = await context.generate({ prompt: "x", maxTokens: 3, ignoreEos: true });
if (end === "terminated") void context.generate({ prompt: "x", maxTokens: 1000, ignoreEos: true });
else await model.dispose();
parentPort?.postMessage(usage.completionTokens);
