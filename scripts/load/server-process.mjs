// The server, and what can only be measured from within.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageDir } from "../lib/paths.mjs";
import { answer, meter } from "./channel.mjs";
import { context } from "./plan.mjs";

const { createServer } = await import(pathToFileURL(join(packageDir, "dist", "server", "index.js")).href);

/** @type {any} */
let server;

/** @param {{ model: string }} order */
async function open({ model }) {
  server = await createServer({ port: 0, models: { source: model, name: "model", context } });
  await server.ready;
  return { url: server.url };
}

function memory() {
  // What nobody holds any more is no growth.
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapMiB: (heapUsed + external) / 2 ** 20, memoryMiB: rss / 2 ** 20 };
}

const measured = { end: meter() };

answer({
  open,
  memory,
  measure: () => void (measured.end = meter()),
  measured: () => measured.end(),
  close: () => server.close(),
});
