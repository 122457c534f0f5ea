// What the library must do where a GPU's addon cannot be used, beside what it does.

import { LLAMA_CPP_VERSION } from "../lib/pins.mjs";
import { publish } from "../package/page.mjs";

export const PROMPT = "The capital of France is";

/**
 * @typedef {Omit<import("./run.mjs").Order, "library">} Order
 * @typedef {import("./run.mjs").Findings} Findings
 * @typedef {import("./run.mjs").Failure} Failure
 * @typedef {{ end: number | string | null, outcome: Findings | Failure | null, words: string }} Run `words`: all but the outcome
 *
 * @typedef {object} Expected
 * @property {string} name of the situation
 * @property {string} reason how the reason begins why the backend is passed over
 * @property {string} advice how what to do about it begins
 *
 * @typedef {object} Runner of processes in that situation
 * @property {(order: Order, more?: NodeJS.ProcessEnv) => Promise<Run>} answer runs `run.mjs`
 * @property {(args: string[]) => Promise<import("../lib/run.mjs").RunResult>} command `llama-native <args>`
 *
 * @typedef {{ text: string, lookMilliseconds: number, peakBytes: number }} Reference of the CPU's addon alone
 *
 * @typedef {object} Examined
 * @property {string} situation
 * @property {string} reason
 * @property {string} advice
 * @property {number} lookMilliseconds
 * @property {number} peakBytes
 * @property {string[]} problems
 */

/** Of the look for addons that ends with the CPU's; set before the first run. */
const MOST_LOOK_SECONDS = 10;

/**
 * @param {"cuda" | "hip"} gpu
 * @param {Runner} runner
 * @param {Expected} situation
 * @param {Order} order
 * @param {Reference} reference
 * @returns {Promise<Examined>}
 */
export async function examine(gpu, runner, situation, order, reference) {
  const auto = await runner.answer(order);
  const found = auto.outcome !== null && "passedOver" in auto.outcome ? auto.outcome : null;
  const passed = found?.passedOver.find(({ backend }) => backend === gpu);
  const byVariable = await runner.answer(order, { LLAMA_NATIVE_GPU: gpu });
  const { reason = "none", advice = "none" } = passed ?? {};
  const problems = [
    ...judgeFallback("auto", auto, reference),
    ...(reason.startsWith(situation.reason) ? [] : [`auto: the reason is: ${reason}`]),
    ...(advice.startsWith(situation.advice) ? [] : [`auto: the advice is: ${advice}`]),
    ...judgeFallback("in a worker", await runner.answer({ ...order, inWorker: true }), reference),
    ...judgeRefusal("the option", await runner.answer({ ...order, gpu }), gpu, reason),
    ...judgeRefusal("LLAMA_NATIVE_GPU", byVariable, gpu, reason),
    ...judgeDoctor("doctor", await runner.command(["doctor"]), `${gpu}: ${reason}; ${advice}`),
    ...judgeDoctor("doctor --json", await runner.command(["doctor", "--json"]), JSON.stringify(reason)),
    ...judgeLook(found?.lookMilliseconds ?? 0),
  ];
  const { lookMilliseconds = 0, peakBytes = 0 } = found ?? {};
  return { situation: situation.name, reason, advice, lookMilliseconds, peakBytes, problems };
}

/**
 * Each situation in turn, told as it is found.
 * @template {Expected} S
 * @param {S[]} situations
 * @param {(situation: S) => Promise<Examined>} examineOne
 * @returns {Promise<{ results: Examined[], problems: string[] }>}
 */
export async function examineAll(situations, examineOne) {
  const results = [];
  for (const situation of situations) {
    const result = await examineOne(situation);
    console.log(`${result.problems.length === 0 ? "holds" : "FAILS"}  ${situation.name}: ${result.reason}`);
    results.push(result);
  }
  const problems = results.flatMap(({ situation, problems: own }) => own.map((problem) => `${situation}: ${problem}`));
  return { results, problems };
}

/** @param {string} what @param {Run} run @param {Reference} reference */
function judgeFallback(what, { end, outcome, words }, { text }) {
  if (outcome === null || !("text" in outcome))
    return [`${what}: ended with ${end}: ${JSON.stringify(outcome)} ${words}`];
  return [
    ...judgeEnd(what, end, words),
    ...(outcome.backend === "cpu" ? [] : [`${what}: the addon in use is ${outcome.backend}`]),
    ...(outcome.text === text ? [] : [`${what}: it says something else than the CPU alone: ${outcome.text}`]),
  ];
}

/** @param {string} what @param {Run} run @param {string} gpu @param {string} reason */
function judgeRefusal(what, { end, outcome, words }, gpu, reason) {
  const isTyped = outcome !== null && "code" in outcome && outcome.code === "BACKEND_UNAVAILABLE";
  if (!isTyped || !outcome.message.startsWith(`The backend ${gpu} cannot be used: ${reason}`))
    return [`${what}: asked for ${gpu}, it ended with ${end}: ${JSON.stringify(outcome)} ${words}`];
  return judgeEnd(what, end, words);
}

/** @param {string} what @param {import("../lib/run.mjs").RunResult} result @param {string} expected */
function judgeDoctor(what, { code, signal, output }, expected) {
  return code === 0 && output.includes(expected) ? [] : [`${what}: ended with ${signal ?? code}:\n${output}`];
}

/** @param {string} what @param {Run["end"]} end @param {string} words */
function judgeEnd(what, end, words) {
  return end === 0 && words === "" ? [] : [`${what}: the process ended with ${end} and said: ${words}`];
}

/** @param {number} milliseconds */
function judgeLook(milliseconds) {
  return milliseconds <= MOST_LOOK_SECONDS * 1000 ? [] : [`the look took ${milliseconds} ms`];
}

/** @param {Run} run of the CPU's addon alone @returns {Reference} */
export function referenceOf({ end, outcome, words }) {
  if (outcome === null || !("text" in outcome) || end !== 0)
    throw new Error(`The CPU's addon ended with ${end}: ${JSON.stringify(outcome)} ${words}`);
  const { text, lookMilliseconds, peakBytes } = outcome;
  return { text, lookMilliseconds, peakBytes };
}

/** A process that ran `run.mjs`. @param {import("../lib/run.mjs").RunResult} result @returns {Run} */
export function readRun({ code, signal, output }) {
  const lines = output.split("\n").filter((line) => line !== "");
  const last = lines.findLast((line) => line.startsWith("{"));
  const words = lines.filter((line) => line !== last).join("\n");
  return { end: signal ?? code, outcome: last === undefined ? null : JSON.parse(last), words };
}

/**
 * What a proof found, in docs/, without the names of its folder.
 * @param {string} name
 * @param {string} work
 * @param {object} record
 */
export async function keep(name, work, record) {
  const about = { llamaCpp: LLAMA_CPP_VERSION, date: new Date().toISOString().slice(0, 10) };
  await publish(name, JSON.parse(JSON.stringify({ ...about, ...record }).replaceAll(`${work}/`, "")));
}
