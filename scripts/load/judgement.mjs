// Whether a load test was passed. Whatever is missing or not a number fails.

import { median, shares, slopePerMinute } from "./figures.mjs";
import { faults } from "./outcome.mjs";

/**
 * @typedef {object} Side of one round
 * @property {number} seconds
 * @property {number} characters of generated text that came
 * @property {number} answers that could be compared
 * @property {number} different with another text than the library gave for the prompt alone
 * @property {number} failed requests that came to no good end
 *
 * @typedef {Record<"alone" | "library" | "server", Side>} Round the library by itself, with the clients, and the server
 *
 * @typedef {object} Findings
 * @property {Round[]} rounds of the small model
 * @property {Round[]} large those of the large one
 * @property {number} sent requests of the storm
 * @property {number} silent requests of it whose clients left before they had heard anything
 * @property {Record<string, import("./outcome.mjs").Tally>} kinds
 * @property {{ ms: number, heapMiB: number, memoryMiB: number }[]} memory samples of the server, the start left out
 * @property {{ running: number, waiting: number, requests: number, abandoned: number }} metrics of the server in the end
 *
 * @typedef {typeof import("./plan.mjs").bounds} Bounds
 */

/**
 * What failed, in words.
 * @param {Findings} findings @param {Bounds} bounds
 * @returns {string[]}
 */
export function failures(findings, bounds) {
  return [
    ...throughput(findings, bounds),
    ...answers(findings, bounds),
    ...leftovers(findings),
    ...memory(findings, bounds),
  ];
}

/** @param {Findings} findings @param {Bounds} bounds */
function throughput({ rounds, large }, bounds) {
  return [
    ...throughputOf(rounds, "library", "the server's throughput", bounds),
    ...throughputOf(large, "alone", "the server's throughput with the large model", bounds),
  ];
}

/**
 * @param {readonly Round[]} rounds @param {"library" | "alone"} than which side it must come near @param {string} what
 * @param {Bounds} bounds
 */
function throughputOf(rounds, than, what, { leastShare, mostDifferent }) {
  const share = median(shares(rounds, than, "server"));
  const failures = sum(rounds.flatMap((round) => Object.values(round).map((side) => side.failed)));
  const different = (/** @type {"alone" | "library" | "server"} */ side) =>
    sum(rounds.map((round) => round[side].different)) / sum(rounds.map((round) => round[side].answers));
  const own = different("alone");
  return [
    ...failed(share >= leastShare, `${what} is ${share} of the library's, and must be ${leastShare}`),
    ...failed(failures === 0, `${failures} requests of the rounds came to no good end`),
    ...failed(
      different("server") <= own + mostDifferent,
      `${different("server")} of the server's answers in the rounds are not the library's, of whose own ${own} are not`,
    ),
  ];
}

/** @param {Findings} findings @param {Bounds} bounds */
function answers({ kinds, sent, silent }, { leastOfEachKind, mostDrifted }) {
  const said = Object.entries(kinds).flatMap(([kind, { outcomes, statuses }]) => [
    ...faults.flatMap((fault) =>
      failed((outcomes[fault] ?? 0) === 0, `${outcomes[fault]} ${fault} of the ${kind} clients`),
    ),
    ...failed(
      (outcomes[usual(kind)] ?? 0) >= leastOfEachKind,
      `only ${outcomes[usual(kind)] ?? 0} ${usual(kind)} of the ${kind} clients (${JSON.stringify(statuses)})`,
    ),
  ]);
  const missing = ["plain", "leaves", "hasty", "slow", "rubbish"].filter((kind) => !(kind in kinds));
  const drifted = sum(Object.values(kinds).map((counts) => counts.drifted));
  const ended = sum(Object.values(kinds).map(({ outcomes }) => (outcomes["finished"] ?? 0) + (outcomes["left"] ?? 0)));
  const compared = ended - silent;
  const counted = sum(Object.values(kinds).flatMap(({ outcomes }) => Object.values(outcomes)));
  return [
    ...said,
    ...failed(missing.length === 0, `no requests of the ${missing.join(", ")} clients`),
    ...failed(
      drifted <= mostDrifted * compared,
      `${drifted} of ${compared} answers are the library's only up to a point`,
    ),
    ...failed(counted === sent, `${sent} requests were sent and ${counted} came to an end`),
  ];
}

/** What most requests of a kind come to. @param {string} kind */
function usual(kind) {
  if (kind === "rubbish") return "rejected";
  return kind === "leaves" || kind === "hasty" ? "left" : "finished";
}

/** @param {Findings} findings */
function leftovers({ metrics, sent, silent, kinds }) {
  const { running, waiting, requests, abandoned } = metrics;
  const left = sum(Object.values(kinds).map(({ outcomes }) => outcomes["left"] ?? 0));
  return [
    ...failed(running === 0 && waiting === 0, `${running} requests run and ${waiting} wait when all clients have gone`),
    // A client that left at once may never have been heard.
    ...failed(
      requests >= sent - silent && requests <= sent,
      `the server counts ${requests} requests, the clients ${sent}, of which ${silent} left unheard`,
    ),
    ...failed(abandoned > 0 && abandoned <= left, `the server counts ${abandoned} clients that left, of ${left}`),
  ];
}

/** @param {Findings} findings @param {Bounds} bounds */
function memory({ memory: samples }, { leastMemorySamples, mostHeapSlope, mostMemorySlope }) {
  const heap = slopePerMinute(samples.map(({ ms, heapMiB: value }) => ({ ms, value })));
  const all = slopePerMinute(samples.map(({ ms, memoryMiB: value }) => ({ ms, value })));
  return [
    ...failed(samples.length >= leastMemorySamples, `only ${samples.length} samples of the server's memory`),
    ...failed(heap <= mostHeapSlope, `the heap grows by ${heap} MiB a minute, of ${mostHeapSlope} allowed`),
    ...failed(all <= mostMemorySlope, `memory grows by ${all} MiB a minute, of ${mostMemorySlope} allowed`),
  ];
}

/** @param {boolean} holds @param {string} message */
function failed(holds, message) {
  return holds ? [] : [message];
}

/** @param {readonly number[]} values */
function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
