// How a process ends: `<runtime> ending.mjs <library's folder> <model> <end>`.
//   idle   nothing is disposed, and nothing runs
//   exit   process.exit(7) in the middle of a stream
//   throw  an exception that nobody catches, in the middle of a stream

import { join } from "node:path";
import { argv } from "node:process";
import { pathToFileURL } from "node:url";

const [dist = "", modelPath = "", end = ""] = argv.slice(-3);
/** @type {typeof import("../../src/index.js")} */
const { loadModel } = await import(pathToFileURL(join(dist, "index.js")).href);
const model = await loadModel(modelPath);
const context = await model.createContext({ contextSize: 1024 });
await context.generate({ prompt: "x", maxTokens: 2, ignoreEos: true });
if (end !== "idle") {
  await context.generate({ prompt: "x", maxTokens: 900, ignoreEos: true })[Symbol.asyncIterator]().next();
  if (end === "exit") process.exit(7);
  throw new Error("on purpose");
}
