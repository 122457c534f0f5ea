// The load test's course: the same work with the library and through the server, in turns; then a storm of clients.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { packageDir } from "../lib/paths.mjs";
import { Part } from "./channel.mjs";
import { metricOf } from "./figures.mjs";
import { countLikeness, judge, References, tally } from "./outcome.mjs";
import { context, prompts, roundTasks } from "./plan.mjs";

/**
 * @typedef {import("./plan.mjs").Task} Task
 * @typedef {import("./outcome.mjs").Taken} Taken
 * @typedef {{ seconds: number, cpuSeconds: number, jsSeconds: number | null }} Cost
 * @typedef {{ prompt: number, text: string, left: boolean }} Text
 * @typedef {Cost & import("./judgement.mjs").Side & { clientSeconds: number }} Side
 * @typedef {Record<"alone" | "library" | "server", Side>} Round
 */

/** Requests that are in work or wait at any time, on both sides. */
const workers = 2 * context.sequences;
const sampleMs = 5000;
/** Milliseconds that the server gets to end what nobody waits for any more. */
const settleMs = 5000;

const program = (/** @type {string} */ name) => join(packageDir, "scripts", "load", `${name}-process.mjs`);

/**
 * Every round is the same work three times, in turns: with the library by itself, with the library and the clients, and with the
 * server and the clients. These cost the same core time on both sides, which all share.
 * @param {string} model path of its file @param {number} count of rounds @param {number} promptCount requests of a side
 */
export async function runRounds(model, count, promptCount) {
  const [library, server, clients] = [new Part(program("library")), openServer(), new Part(program("client"))];
  try {
    await library.ask("open", { model });
    const [plain, full] = [await library.ask("listen"), await server.ask("open", { model })];
    const references = await learn(library, promptCount);
    /** @type {[keyof Round, (tasks: Task[]) => Promise<Side>][]} */
    const sides = [
      ["alone", (tasks) => roundAlone(library, references, tasks)],
      ["library", (tasks) => roundOfClients({ part: library, clients, url: plain.url }, references, tasks)],
      ["server", (tasks) => roundOfClients({ part: server, clients, url: full.url }, references, tasks)],
    ];
    for (const [, side] of sides) await side(roundTasks(0, promptCount)); // nothing is compiled yet
    const rounds = [];
    for (let round = 0; round < count; round++) rounds.push(await runRound(sides, round, promptCount));
    return rounds;
  } finally {
    for (const part of [library, server, clients]) part.end();
  }
}

/**
 * Each side is the first in its turn.
 * @param {[keyof Round, (tasks: Task[]) => Promise<Side>][]} sides @param {number} round @param {number} promptCount
 */
async function runRound(sides, round, promptCount) {
  const first = round % sides.length;
  /** @type {Partial<Round>} */
  const results = {};
  for (const [name, side] of [...sides.slice(first), ...sides.slice(0, first)]) {
    results[name] = await side(roundTasks(round, promptCount));
  }
  return /** @type {Round} */ (results);
}

/** @param {Part} library @param {References} references @param {Task[]} tasks @returns {Promise<Side>} */
async function roundAlone(library, references, tasks) {
  const { texts, ...cost } = await library.ask("round", { tasks, workers });
  const likeness = texts.map((/** @type {Text} */ { prompt, text, left }) => references.compare(prompt, text, !left));
  return { ...rounded(cost), ...countLikeness(likeness), characters: lengthOf(texts), clientSeconds: 0, failed: 0 };
}

/**
 * @param {{ part: Part, clients: Part, url: string }} parts @param {References} references @param {Task[]} tasks
 * @returns {Promise<Side>}
 */
async function roundOfClients({ part, clients, url }, references, tasks) {
  await part.ask("measure");
  const { taken, ...cost } = await clients.ask("round", { url, tasks, workers });
  const own = rounded(await part.ask("measured"));
  /** @type {ReturnType<typeof judge>[]} */
  const judged = taken.map((/** @type {Taken} */ one) => judge(one, references));
  const failed = judged.filter(
    ({ outcome }) => outcome !== "finished" && outcome !== "left" && outcome !== "crossed",
  ).length;
  const { seconds, cpuSeconds: clientSeconds } = rounded(cost);
  const likeness = countLikeness(judged.map((one) => one.likeness));
  return { ...own, seconds, clientSeconds, characters: lengthOf(taken), ...likeness, failed };
}

/** @param {readonly { text: string }[]} answers */
function lengthOf(answers) {
  return answers.reduce((sum, { text }) => sum + text.length, 0);
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

/** What the library gives for each of the first prompts alone. @param {Part} library @param {number} count */
async function learn(library, count) {
  const tasks = prompts.slice(0, count).map((_, prompt) => ({
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
    const references = await learn(library, prompts.length);
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
