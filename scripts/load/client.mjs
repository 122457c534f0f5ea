// One HTTP request as the clients of the load test make it.

import { Agent, request as httpRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { EventReader } from "./event-reader.mjs";
import { hastyMs, maxTokens, prompts, slowReadMs } from "./plan.mjs";

/** @typedef {import("./plan.mjs").Task} Task @typedef {import("./outcome.mjs").Taken} Taken */

const agent = new Agent({ keepAlive: true });

/** @param {string | undefined} prompt @param {boolean} cachePrompt */
const bodyOf = (prompt, cachePrompt = false) => ({
  prompt,
  temperature: 0,
  ignore_eos: true,
  cache_prompt: cachePrompt,
  max_tokens: maxTokens,
  stream: true,
  stream_options: { include_usage: true },
});

const path = "/v1/completions";
const json = "application/json";
/** What rubbish there is, each with the status that it must get. */
const rubbish = [
  { status: 400, path, type: json, method: "POST", body: JSON.stringify(bodyOf("x")).slice(1) },
  { status: 400, path, type: json, method: "POST", body: JSON.stringify({ ...bodyOf("x"), prompt: { id: 1 } }) },
  { status: 400, path, type: json, method: "POST", body: JSON.stringify({ ...bodyOf("x"), no_such_field: 1 }) },
  { status: 400, path, type: json, method: "POST", body: "" },
  { status: 404, path, type: json, method: "POST", body: JSON.stringify({ ...bodyOf("x"), model: "no-such-model" }) },
  { status: 404, path: "/v1/nothing", type: json, method: "POST", body: "{}" },
  { status: 405, path, type: json, method: "PUT", body: "{}" },
  { status: 415, path, type: "text/plain", method: "POST", body: JSON.stringify(bodyOf("x")) },
];

/**
 * Makes a request, and resolves with what came of it; never rejects.
 * @param {string} url @param {Task} task
 * @returns {Promise<Taken>}
 */
export async function ask(url, task) {
  const good = {
    status: 200,
    path,
    type: json,
    method: "POST",
    body: JSON.stringify(bodyOf(prompts[task.prompt], task.cachePrompt)),
  };
  const message = task.kind === "rubbish" ? (rubbish[task.id % rubbish.length] ?? good) : good;
  /** @type {Taken} */
  const taken = {
    task,
    status: 0,
    expectedStatus: message.status,
    hasRetryAfter: false,
    left: false,
    text: "",
    done: false,
    finish: null,
    tokens: null,
    error: null,
  };
  const leaving = new AbortController();
  const hasty = task.kind === "hasty" ? setTimeout(() => leaving.abort(), hastyMs) : undefined;
  try {
    const response = await send(url, message, leaving.signal);
    clearTimeout(hasty);
    taken.status = response.statusCode ?? 0;
    taken.hasRetryAfter = Number(response.headers["retry-after"]) > 0;
    if (taken.status === 200) await read(response, taken);
    else response.resume();
  } catch (error) {
    if (leaving.signal.aborted) taken.left = true;
    else taken.error = String(error);
  }
  return taken;
}

/**
 * @param {string} url @param {{ path: string, method: string, type: string, body: string }} message
 * @param {AbortSignal} signal
 * @returns {Promise<import("node:http").IncomingMessage>}
 */
function send(url, { path, method, type, body }, signal) {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": type, "content-length": Buffer.byteLength(body) };
    const sent = httpRequest(url + path, { method, headers, agent, signal }, resolve);
    sent.on("error", reject);
    sent.end(body);
  });
}

/** @param {import("node:http").IncomingMessage} response @param {Taken} taken */
async function read(response, taken) {
  const reader = new EventReader();
  // Leaving the loop destroys the response and its connection, as a client does that goes away.
  for await (const chunk of response) {
    for (const event of reader.push(chunk)) note(event, taken);
    if (leaves(taken)) {
      taken.left = true;
      return;
    }
    if (taken.task.kind === "slow") await sleep(slowReadMs);
  }
  reader.end();
  taken.done = reader.done;
}

/** @param {any} event @param {Taken} taken */
function note({ error, choices, usage }, taken) {
  if (error !== undefined) throw new Error(`The stream ended with an error: ${JSON.stringify(error)}`);
  taken.text += choices[0]?.text ?? "";
  taken.finish = choices[0]?.finish_reason ?? taken.finish;
  taken.tokens = usage?.completion_tokens ?? taken.tokens;
}

/** @param {Taken} taken */
function leaves({ task, text, finish }) {
  return task.kind === "hasty" || (task.leaveAfter !== null && text.length >= task.leaveAfter && finish === null);
}
