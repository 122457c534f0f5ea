// A server for clients outside of the system it runs on: `<node> serve.mjs <library's folder> <model> <file>`. Writes its URL into
// the file, and closes when that is gone.

import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const [dist = "", model = "", file = ""] = argv.slice(-3);
/** @type {typeof import("../../src/server/index.js")} */
const { createServer } = await import(pathToFileURL(join(dist, "server", "index.js")).href);
const server = await createServer({
  port: 0,
  models: { source: model, name: "smoke", context: { contextSize: 512 } },
});
await server.ready;
writeFileSync(`${file}.part`, server.url);
renameSync(`${file}.part`, file);
while (existsSync(file)) await sleep(100);
await server.close();
