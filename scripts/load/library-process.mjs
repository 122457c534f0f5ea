// The library alone, at the work that the clients ask of the server.

import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { packageDir } from "../lib/paths.mjs";
import { answer, inTurns, meter } from "./channel.mjs";
import { context as contextOptions, prompts, request } from "./plan.mjs";

const { loadModel } = await import(pathToFileURL(join(packageDir, "dist", "index.js")).href);

/** @typedef {import("./plan.mjs").Task} Task */

/** @type {any} */
let context;

/** @param {{ model: string }} order */
async function open({ model }) {
  context = await (await loadModel(model)).createContext({ ...contextOptions, queueSize: 256 });
}

/** @param {{ tasks: Task[], workers: number }} order */
async function round({ tasks, workers }) {
  /** @type {{ prompt: number, text: string, left: boolean }[]} */
  const texts = [];
  /** @type {PromiseLike<unknown>[]} */
  const generations = [];
  const end = meter();
  await inTurns(tasks, workers, async (task) => void texts.push(await take(task, generations)));
  await Promise.all(generations);
  return { ...end(), texts };
}

/**
 * Reads one answer. Who leaves goes on to the next request at once, as a client does.
 * @param {Task} task @param {PromiseLike<unknown>[]} generations
 * @returns {Promise<{ prompt: number, text: string, left: boolean }>}
 */
function take({ prompt, leaveAfter, cachePrompt }, generations) {
  let text = "";
  return new Promise((resolve, reject) => {
    const onToken = (/** @type {{ text: string }} */ piece) => {
      text += piece.text;
      if (leaveAfter === null || text.length < leaveAfter) return;
      generation.cancel();
      resolve({ prompt, text, left: true });
    };
    const generation = context.generate({ prompt: prompts[prompt], ...request, cachePrompt, onToken });
    generations.push(generation);
    generation.then(() => resolve({ prompt, text, left: false }), reject);
  });
}

/**
 * Serves it to the clients by as little as that takes: what the server's share is of, since the clients cost the same on both
 * sides.
 */
async function listen() {
  const server = createServer((request, response) => void serve(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}` };
}

/** @param {import("node:http").IncomingMessage} message @param {import("node:http").ServerResponse} response */
async function serve(message, response) {
  const { prompt, cache_prompt: cachePrompt } = /** @type {any} */ (await json(message));
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (/** @type {object} */ data) => response.write(`data: ${JSON.stringify(data)}\n\n`);
  const onToken = (/** @type {{ text: string }} */ { text }) =>
    send({ choices: [{ text, index: 0, logprobs: null, finish_reason: null }] });
  const generation = context.generate({ prompt, ...request, cachePrompt, onToken });
  response.on("close", () => generation.cancel());
  const { usage, finishReason } = await generation;
  send({ choices: [{ text: "", index: 0, logprobs: null, finish_reason: finishReason }] });
  send({ choices: [], usage: { completion_tokens: usage.completionTokens } });
  response.end("data: [DONE]\n\n");
}

const measured = { end: meter() };

answer({
  open,
  round,
  listen,
  measure: () => void (measured.end = meter()),
  measured: () => measured.end(),
});
