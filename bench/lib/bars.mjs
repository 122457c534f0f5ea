// What this project asks of itself, and whether a run reached it. Bars against other programs are ratios of medians of
// one run, so that the machine's speed does not matter.

/**
 * @typedef {object} Bar
 * @property {string} title
 * @property {string} workload
 * @property {string} case
 * @property {string} metric
 * @property {string} [than] a program's id, or `best node-llama-cpp`: that of its numbers of threads which does best;
 * or `case <name>`: this project's own figure of another case. Without it the bar is a figure, not a ratio.
 * @property {number} [atLeast]
 * @property {number} [atMost]
 * @property {string} [unit]
 *
 * @typedef {object} Verdict
 * @property {Bar} bar
 * @property {"reached" | "missed" | "not measured"} outcome
 * @property {number | null} value
 * @property {boolean} [isMost] the value is an upper bound: the other program was stopped when it had taken so long
 * @property {string} reason why there is no value
 *
 * @typedef {{ value: number, isLeast: boolean }} Figure `isLeast`: it is this much, or more
 */

const BEST = "best node-llama-cpp";

/** @type {Bar[]} */
export const BARS = [
  ...oneStream("empty context"),
  ...oneStream("after a prompt of 360 tokens"),
  bar("one stream, 7B", "single-stream-7b", "empty context", "tokensPerSecond", { than: "llama-bench", atLeast: 0.99 }),
  bar("several streams", "streams", "8 streams", "tokensPerSecond", { than: "llama-server", atLeast: 1.05 }),
  ...sharedPrefix("8 streams, 1000 tokens shared", { server: 0.6, node: 0.45 }),
  ...sharedPrefix("16 streams, 2000 tokens shared", { server: 0.3, node: 0.2 }),
  ...stall("4 streams, a prompt of 3000 tokens"),
  bar("engine free after cancelling", "cancel", "125M", "latencyMs", { atMost: 100, unit: "ms" }),
  bar("engine free after cancelling", "cancel", "7B", "latencyMs", { atMost: 300, unit: "ms" }),
  bar("cold start, from the process", "cold-start", "125M", "processMs", { than: "node-llama-cpp", atMost: 0.3 }),
  bar("cold start, from the import", "cold-start", "125M", "importMs", { than: "node-llama-cpp", atMost: 0.3 }),
  ...eventLoop("8 streams"),
  ...eventLoop("1 MB tokenized"),
  bar("JS thread's time for a token", "js-time", "position 64", "cpuMicroseconds", { atMost: 30, unit: "µs" }),
  bar("JS thread's time for a token", "js-time", "position 8192", "cpuMicroseconds", { atMost: 30, unit: "µs" }),
  // A tenth more is within what the JIT and rounding do.
  bar("JS heap allocated for a token", "js-memory", "position 8192", "allocatedBytes", {
    than: "case position 64",
    atMost: 1.1,
  }),
  // What 256 tokens leave is some kilobytes of the process's own; a copy of the history would be 32 KB a token there.
  bar("JS heap's growth by a token", "js-memory", "position 64", "keptBytes", { atMost: 100, unit: "bytes" }),
  bar("JS heap's growth by a token", "js-memory", "position 8192", "keptBytes", { atMost: 100, unit: "bytes" }),
  bar("prompt lookup against plain decoding", "prompt-lookup", "repeats its input", "speedup", {
    atLeast: 1.8,
    unit: "×",
  }),
  bar("idle", "idle", "125M", "cpuPercent", { atMost: 0.5, unit: "%" }),
  bar("memory", "memory", "7B, 32768 tokens, KV q4_0", "peakGb", { atMost: 6, unit: "GB" }),
  bar("memory", "memory", "7B, 32768 tokens, KV q8_0", "peakGb", { atMost: 7, unit: "GB" }),
];

/**
 * @param {string} title
 * @param {string} workload
 * @param {string} caseName
 * @param {string} metric
 * @param {Pick<Bar, "than" | "atLeast" | "atMost" | "unit">} limit
 * @returns {Bar}
 */
function bar(title, workload, caseName, metric, limit) {
  return { title, workload, case: caseName, metric, ...limit };
}

/** @param {string} name of the case */
function oneStream(name) {
  const than = (/** @type {string} */ program, /** @type {number} */ atLeast) =>
    bar("one stream", "single-stream", name, "tokensPerSecond", { than: program, atLeast });
  return [than("llama-bench", 0.97), than("llama-server", 1.2), than("node-llama-cpp", 5), than(BEST, 1.4)];
}

/** @param {string} name of the case @param {{ server: number, node: number }} most */
function sharedPrefix(name, { server, node }) {
  return [
    bar("a shared prefix", "shared-prefix", name, "seconds", { than: "llama-server", atMost: server }),
    bar("a shared prefix", "shared-prefix", name, "seconds", { than: BEST, atMost: node }),
  ];
}

/** @param {string} name of the case */
function stall(name) {
  return [
    bar("stall: longest silence / usual gap", "stall", name, "longestRatio", { atMost: 6 }),
    bar("stall: p99 gap / usual gap", "stall", name, "p99Ratio", { atMost: 4 }),
    bar("stall: the prompt's first token", "stall", name, "firstTokenMs", { than: "llama-server", atMost: 1.5 }),
  ];
}

/** @param {string} name of the case */
function eventLoop(name) {
  return [
    bar("event loop, p99 above an idle one's", "event-loop", name, "p99AboveIdleMs", { atMost: 5, unit: "ms" }),
    bar("event loop, at worst", "event-loop", name, "maxMs", { atMost: 20, unit: "ms" }),
  ];
}

/**
 * @param {import("./results.mjs").Results} results
 * @param {readonly Bar[]} [bars]
 * @returns {Verdict[]}
 */
export function checkBars(results, bars = BARS) {
  return bars.map((bar) => checkBar(bar, results));
}

/** @param {Bar} bar @param {import("./results.mjs").Results} results @returns {Verdict} */
function checkBar(bar, results) {
  const own = ownFigure(results, bar, bar.case);
  if (typeof own === "string") return notMeasured(bar, own);
  if (bar.than === undefined) return judge(bar, own);
  const other = otherFigure(bar, bar.than, results);
  if (typeof other === "string") return notMeasured(bar, other);
  const verdict = judge(bar, own / other.value);
  if (!other.isLeast) return verdict;
  // More of the other's time would only have made the ratio less.
  if (verdict.outcome === "missed") return notMeasured(bar, `${bar.than} was stopped after ${other.value} seconds`);
  return { ...verdict, isMost: true };
}

/**
 * @param {import("./results.mjs").Results} results
 * @param {Bar} bar
 * @param {string} caseName
 */
function ownFigure(results, bar, caseName) {
  const own = figure(results, bar, caseName, "ours");
  if (typeof own === "string") return own;
  return own.isLeast ? "ours was stopped" : own.value;
}

/** @param {Bar} bar @param {string} reason @returns {Verdict} */
function notMeasured(bar, reason) {
  return { bar, outcome: "not measured", value: null, reason };
}

/** @param {Bar} bar @param {number} value @returns {Verdict} */
function judge(bar, value) {
  const reached = value >= (bar.atLeast ?? -Infinity) && value <= (bar.atMost ?? Infinity);
  return { bar, outcome: reached ? "reached" : "missed", value, reason: "" };
}

/**
 * @param {Bar} bar
 * @param {string} than
 * @param {import("./results.mjs").Results} results
 * @returns {Figure | string}
 */
function otherFigure(bar, than, results) {
  if (than.startsWith("case ")) {
    const value = ownFigure(results, bar, than.slice("case ".length));
    return typeof value === "string" ? value : { value, isLeast: false };
  }
  if (than !== BEST) return figure(results, bar, bar.case, than);
  const ids = Object.keys(results.workloads[bar.workload]?.cases[bar.case]?.programs ?? {});
  const figures = ids
    .filter((id) => id.startsWith("node-llama-cpp"))
    .map((id) => figure(results, bar, bar.case, id))
    .filter((value) => typeof value !== "string")
    .sort((one, another) => one.value - another.value);
  return figures.at(bar.atLeast === undefined ? 0 : -1) ?? "node-llama-cpp has no figure";
}

/**
 * @param {import("./results.mjs").Results} results
 * @param {Bar} bar
 * @param {string} caseName
 * @param {string} id
 * @returns {Figure | string} or why there is none
 */
function figure(results, { workload, metric }, caseName, id) {
  const measured = results.workloads[workload]?.cases[caseName];
  if (measured === undefined) return `${workload}, ${caseName} was not run`;
  const program = measured.programs[id];
  if (program === undefined) return `${id} was not run`;
  if ("error" in program) {
    const { stoppedAfterSeconds } = program;
    // Of the whole process, whose start takes a second or two.
    if (metric === "seconds" && stoppedAfterSeconds !== undefined) return { value: stoppedAfterSeconds, isLeast: true };
    return `${id} failed`;
  }
  const value = program.metrics[metric]?.median;
  return value === undefined ? `${id} has no ${metric}` : { value, isLeast: false };
}

/** @param {Bar} bar */
export function describeBar({ than, atLeast, atMost, unit }) {
  const limit = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
  if (than === undefined) return `${limit} ${unit ?? ""}`.trim();
  return `${limit} × ${than.startsWith("case ") ? `at ${than.slice("case ".length)}` : than}`;
}

/** @param {Verdict} verdict */
export function describeValue({ bar, value, isMost }) {
  if (value === null) return "–";
  if (isMost === true) return `≤ ${(Math.ceil(value * 100) / 100).toFixed(2)} ×`;
  const text = value.toFixed(Math.abs(value) < 10 ? 2 : 1);
  return bar.than === undefined ? `${text} ${bar.unit ?? ""}`.trim() : `${text} ×`;
}
