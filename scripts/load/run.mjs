// The load test's course: the same work with the library and through the server, in turns; then a storm of clients.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { packageDir } from "../lib/paths.mjs";
import { Part } from "./channel.mjs";
import { metricOf } from "./figures.mjs";
import { judge, References, tally } from "./outcome.mjs";
import { context, prompts, roundTasks } from "./plan.mjs";

/**
 * @typedef {import("./plan.mjs").Task} Task
 * @typedef {import("./outcome.mjs").Taken} Taken
 * @typedef {{ seconds: number, cpuSeconds: number, jsSeconds: number | null }} Cost
 * @typedef {{ prompt: number, text: string, left: boolean }} Text
 */

/** Requests that are in work or wait at any time, on both sides. */
const workers = 2 * context.sequences;
const sampleMs = 5000;
/** Milliseconds that the server gets to end what nobody waits for any more. */
const settleMs = 5000;

const program = (/** @type {string} */ name) => join(packageDir, "scripts", "load", `${name}-process.mjs`);

/**
 * Every round is the same work twice, by turns the one or the other side first.
 * @param {string} model path of its file @param {number} count
 */
export async function runRounds(model, count) {
  const [library, server, clients] = [new Part(program("library")), openServer(), new Part(program("client"))];
  try {
    const [{ url }] = await Promise.all([server.ask("open", { model }), library.ask("open", { model })]);
    const references = await learn(library);
    const sides = {
      library: () => libraryRound(library, references),
      server: () => serverRound({ server, clients, url }, references),
    };
    await sides.server()(0); // nothing is compiled yet
    const rounds = [];
    for (let round = 0; round < count; round++) rounds.push(await oneRound(sides, round));
    return rounds;
  } finally {
    for (const part of [library, server, clients]) part.end();
  }
}

/**
 * @template Library, Server
 * @param {{ library: () => (round: number) => Promise<Library>, server: () => (round: number) => Promise<Server> }} sides
 * @param {number} round
 */
async function oneRound(sides, round) {
  if (round % 2 === 0) {
    const library = await sides.library()(round);
    return { library, server: await sides.server()(round) };
  }
  const server = await sides.server()(round);
  return { library: await sides.library()(round), server };
}

/** @param {Part} library @param {References} references */
function libraryRound(library, references) {
  return async (/** @type {number} */ round) => {
    const { texts, ...cost } = await library.ask("round", { tasks: roundTasks(round), workers });
    const likeness = texts.map((/** @type {Text} */ { prompt, text, left }) => references.compare(prompt, text, !left));
    return { ...rounded(cost), different: differences(likeness) };
  };
}

/** @param {{ server: Part, clients: Part, url: string }} parts @param {References} references */
function serverRound({ server, clients, url }, references) {
  return async (/** @type {number} */ round) => {
    await server.ask("measure");
    const { taken, ...cost } = await clients.ask("round", { url, tasks: roundTasks(round), workers });
    const own = await server.ask("measured");
    const judged = taken.map((/** @type {Taken} */ one) => judge(one, references).likeness);
    return { ...rounded(own), seconds: rounded(cost).seconds, clients: rounded(cost), different: differences(judged) };
  };
}

/** @param {readonly (string | null)[]} likeness */
function differences(likeness) {
  return likeness.filter((one) => one !== "same").length;
}

/** @param {Cost} cost */
function rounded({ seconds, cpuSeconds, jsSeconds }) {
  const round = (/** @type {number} */ value) => Math.round(value * 1000) / 1000;
  return {
    seconds: round(seconds),
    cpuSeconds: round(cpuSeconds),
    jsSeconds: jsSeconds === null ? null : round(jsSeconds),
  };
}

/** What the library gives for every prompt alone. @param {Part} library */
async function learn(library) {
  const tasks = prompts.map((_, prompt) => ({
    id: prompt,
    kind: "plain",
    prompt,
    leaveAfter: null,
    cachePrompt: false,
  }));
  const { texts } = await library.ask("round", { tasks, workers: 1 });
  const byPrompt = new Map(texts.map((/** @type {Text} */ { prompt, text }) => [prompt, text]));
  return new References(prompts.map((_, prompt) => byPrompt.get(prompt) ?? ""));
}

/** @param {string} model path of its file @param {{ clients: number, seconds: number }} order */
export async function runStorm(model, order) {
  const [library, server, clients] = [new Part(program("library")), openServer(), new Part(program("client"))];
  try {
    await library.ask("open", { model });
    const references = await learn(library);
    library.end();
    const { url } = await server.ask("open", { model });
    const samples = sampleMemory(server);
    const { sent, taken } = await clients.ask("storm", { url, ...order });
    const memory = await samples.end();
    const metrics = await settled(url);
    await server.ask("close");
    const requests = taken.map((/** @type {Taken} */ one) => ({
      kind: one.task.kind,
      status: one.status,
      ...judge(one, references),
    }));
    const silent = taken.filter((/** @type {Taken} */ { left, status }) => left && status === 0).length;
    const errors = [...new Set(taken.flatMap((/** @type {Taken} */ { error }) => (error === null ? [] : [error])))];
    return { sent, silent, kinds: tally(requests), memory, metrics, errors };
  } finally {
    for (const part of [library, server, clients]) part.end();
  }
}

function openServer() {
  return new Part(program("server"), ["--expose-gc"]);
}

/** Samples the server's memory; the first third, in which caches fill and code is compiled, is left out. @param {Part} server */
function sampleMemory(server) {
  const started = Date.now();
  /** @type {{ ms: number, heapMiB: number, memoryMiB: number }[]} */
  const samples = [];
  const take = async () => void samples.push({ ms: Date.now() - started, ...(await server.ask("memory")) });
  /** @type {Promise<void>} */
  let last = Promise.resolve();
  const timer = setInterval(() => void (last = last.then(take)), sampleMs);
  const end = async () => {
    clearInterval(timer);
    await last;
    return samples.slice(Math.floor(samples.length / 3));
  };
  return { end };
}

/** The server's own numbers, once nothing runs any more or it has had its time. @param {string} url */
async function settled(url) {
  const until = Date.now() + settleMs;
  for (;;) {
    const text = await (await fetch(`${url}/metrics`)).text();
    const metrics = {
      running: metricOf(text, "llama_native_requests_running"),
      waiting: metricOf(text, "llama_native_requests_waiting"),
      requests: metricOf(text, "llama_native_requests_total"),
      abandoned: metricOf(text, "llama_native_requests_abandoned_total"),
    };
    if ((metrics.running === 0 && metrics.waiting === 0) || Date.now() > until) return metrics;
    await sleep(100);
  }
}
