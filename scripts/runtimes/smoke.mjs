// What every runtime must do, run by each of them in a process of its own: `<runtime> smoke.mjs <library's folder> <model>`.
// Prints one line of JSON, and ends by itself.

import { createRequire } from "node:module";
import { join } from "node:path";
import process, { argv } from "node:process";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { converse, expect } from "./converse.mjs";

/** @typedef {{ runtime: string, at: number, checks: Record<string, string> }} Findings each check is "ok", or what went wrong */

const CHECK_MS = 60_000;
const PROMPT = "The capital of France is";

const [dist = "", modelPath = ""] = argv.slice(-2);
const library = pathToFileURL(join(dist, "index.js")).href;
const serverModule = pathToFileURL(join(dist, "server", "index.js")).href;

/** @type {Record<string, string>} */
const checks = {};
/** @type {typeof import("../../src/index.js")} */
const { loadModel } = await import(library);
const model = await loadModel(modelPath);
const context = await model.createContext({ contextSize: 1024, sequences: 4 });

await check("generates", async () => {
  const { text } = await context.generate({ prompt: PROMPT, temperature: 0, maxTokens: 4 });
  expect(text.includes("Paris"), `an answer with Paris, but got ${JSON.stringify(text)}`);
});
await check("streams", async () => {
  const pieces = [];
  for await (const text of context.generate({ prompt: PROMPT, temperature: 0, maxTokens: 12, ignoreEos: true }))
    pieces.push(text);
  expect(pieces.length > 1, `several pieces, but got ${pieces.length}`);
});
await check("cancels", cancel);
await check("embeds", async () => {
  const [one, two] = await model.embed(["one text", "another"]);
  expect(one !== undefined && two !== undefined && one.length === two.length, "two vectors of one length");
});
await check("runs in a worker thread", () => runWorker("ends by itself"));
await check("survives a worker that is terminated", () => runWorker("terminated"));
await check("require() gives the library", async () => {
  const required = createRequire(import.meta.url)(join(dist, "index.js"));
  expect(typeof required.loadModel === "function", "a function loadModel");
});
await check("serves through a fetch handler", serveFetch);
// Where it is not to connect to itself, somebody else does (../systems/runs.mjs).
if (process.env.LLAMA_NATIVE_SMOKE_CLIENT !== "none") await check("serves HTTP", serveHttp);
await check("disposes", async () => {
  await model.dispose();
  let thrown = null;
  try {
    await context.generate({ prompt: "x" });
  } catch (error) {
    thrown = error;
  }
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : thrown;
  expect(code === "DISPOSED", `the error DISPOSED, but got ${code}`);
});
const { node, bun, electron } = process.versions;
const runtime = bun ? `Bun ${bun}` : electron ? `Electron ${electron} (Node ${node})` : `Node ${node}`;
console.log(JSON.stringify({ runtime, at: Date.now(), checks }));

async function cancel() {
  const stop = new AbortController();
  const generation = context.generate({ prompt: PROMPT, ignoreEos: true, maxTokens: 900, signal: stop.signal });
  let thrown = null;
  try {
    for await (const text of generation) if (text !== "") stop.abort(new Error("enough"));
  } catch (error) {
    thrown = error;
  }
  expect(thrown instanceof Error && thrown.message === "enough", `the signal's own reason, but got ${thrown}`);
  const { usage } = await context.generate({ prompt: PROMPT, maxTokens: 2, ignoreEos: true });
  expect(usage.completionTokens === 2, `2 tokens afterwards, but got ${usage.completionTokens}`);
}

/** @param {"ends by itself" | "terminated"} end */
async function runWorker(end) {
  const worker = new Worker(new URL("./smoke-worker.mjs", import.meta.url), {
    workerData: { library, modelPath, end },
  });
  const exit = new Promise((resolve) => worker.once("exit", resolve));
  const message = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  if (end === "terminated") await worker.terminate();
  const code = await exit;
  expect(message === 3, `a worker that generates 3 tokens, but it said ${message}`);
  if (end === "ends by itself") expect(code === 0, `a worker that ends with 0, but it ended with ${code}`);
}

async function serveFetch() {
  const { createFetchHandler } = await import(serverModule);
  const handler = createFetchHandler({ models: { source: modelPath, name: "smoke", context: { contextSize: 512 } } });
  try {
    await handler.ready;
    await converse(handler, "http://localhost");
  } finally {
    await handler.close();
  }
}

async function serveHttp() {
  const { createServer } = await import(serverModule);
  const server = await createServer({
    port: 0,
    models: { source: modelPath, name: "smoke", context: { contextSize: 512 } },
  });
  try {
    await server.ready;
    await converse(fetch, server.url);
  } finally {
    await server.close();
  }
}

/** @param {string} name @param {() => Promise<void>} work */
async function check(name, work) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Expected an end within ${CHECK_MS / 1000} seconds`)), CHECK_MS);
  });
  try {
    await Promise.race([work(), late]);
    checks[name] = "ok";
  } catch (error) {
    checks[name] = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } finally {
    clearTimeout(timer);
  }
}
