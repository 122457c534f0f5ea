// Starts llama.cpp's server and talks to it over HTTP, as a Node program would.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 5;

/**
 * @param {import("../../lib/workload.js").Job} job
 */
export async function startServer({ tools, modelPath, program, case: { contextSize, sequences, kvType } }) {
  if (tools === null) throw new Error("llama.cpp's server was not built");
  const port = await freePort();
  const options = {
    "--model": modelPath,
    "--ctx-size": contextSize ?? 0,
    "--parallel": sequences ?? 1,
    ...(program.threads === null ? {} : { "--threads": program.threads }),
    ...(kvType === undefined ? {} : { "--cache-type-k": kvType, "--cache-type-v": kvType }),
    "--host": "127.0.0.1",
    "--port": port,
  };
  const args = [...Object.entries(options).flat().map(String), "--metrics", "--no-ui"];
  const child = spawn(tools["llama-server"], args, { stdio: ["ignore", "ignore", "pipe"] });
  let [log, ended] = ["", false];
  child.stderr.setEncoding("utf8").on("data", (text) => (log = (log + text).slice(-4000)));
  child.on("exit", () => (ended = true));
  const server = {
    pid: /** @type {number} */ (child.pid),
    /**
     * @param {string} path
     * @param {{ body?: unknown, signal?: AbortSignal | undefined, onEvent?: (event: any) => void }} [options]
     */
    ask: (path, options = {}) => ask({ port, path, ...options }),
    async close() {
      if (ended) return;
      const exit = once(child, "exit");
      child.kill("SIGTERM");
      await Promise.race([exit, sleep(5000, undefined, { ref: false })]);
      if (!ended) child.kill("SIGKILL");
    },
  };
  while (!(await isReady(server))) {
    if (ended) throw new Error(`llama-server ended:\n${log}`);
    await sleep(POLL_MS);
  }
  return server;
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (probe.address());
  probe.close();
  await once(probe, "close");
  return port;
}

/** @param {{ ask: (path: string) => Promise<string> }} server */
async function isReady(server) {
  try {
    await server.ask("/health");
    return true;
  } catch {
    return false; // not listening yet, or still loading
  }
}

/**
 * @param {{ port: number, path: string, body?: unknown, signal?: AbortSignal | undefined,
 *   onEvent?: (event: any) => void }} call `onEvent` gets server-sent events, which are then left out of the answer
 * @returns {Promise<string>}
 */
function ask({ port, path, body, signal, onEvent }) {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST";
    const headers = { "content-type": "application/json" };
    // A connection each, as the server closes those it has answered on when it likes.
    const call = request({ host: "127.0.0.1", port, path, method, headers, agent: false, signal }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (/** @type {string} */ chunk) => {
        text += chunk;
        if (onEvent === undefined || response.statusCode !== 200) return;
        try {
          text = readEvents(text, onEvent);
        } catch (error) {
          call.destroy(/** @type {Error} */ (error));
        }
      });
      response.on("end", () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`llama-server answered ${path} with ${response.statusCode}: ${text}`));
      });
      response.on("error", reject);
      response.on("close", () => reject(new Error(`llama-server broke off its answer to ${path}`)));
    });
    call.on("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/**
 * @param {string} text
 * @param {(event: any) => void} onEvent
 * @returns {string} the beginning of an event that is not complete
 */
function readEvents(text, onEvent) {
  const events = text.split("\n\n");
  const rest = events.pop() ?? "";
  for (const event of events) {
    if (event.startsWith("data: {")) onEvent(JSON.parse(event.slice("data: ".length)));
  }
  return rest;
}
