// What machine a result was measured on, and whether anything else was running on it.

import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

import { LLAMA_CPP_VERSION } from "../../scripts/lib/pins.mjs";
import { detectToolchain } from "../../scripts/lib/toolchain.mjs";

/** Processor time that others take, in cores, above which a figure is not to be trusted. */
const BUSY_CORES = 0.15;
/** Share of the runs that may begin on a busy machine. */
const BUSY_RUNS = 0.1;
/** Load average for each core above which the machine was not idle before. */
const BUSY_LOAD = 0.25;

/**
 * @typedef {object} Machine
 * @property {string} cpu
 * @property {number} cores physical ones that this process may use
 * @property {number} memoryBytes
 * @property {string} system
 * @property {string} node
 * @property {string} compiler
 * @property {string} llamaCpp
 */

/** @returns {Machine} */
export function describeMachine() {
  const found = detectToolchain();
  return {
    cpu: (cpus()[0]?.model ?? "unknown").trim(),
    cores: physicalCores(),
    memoryBytes: totalmem(),
    system: `${type()} ${release()} ${process.arch}`,
    node: process.version,
    compiler: "toolchain" in found ? found.toolchain.compiler.version : "none",
    llamaCpp: LLAMA_CPP_VERSION,
  };
}

/** The load average of the last minute; 0 where the system has none. */
export function loadAverage() {
  return loadavg()[0] ?? 0;
}

/** Cores, not the hardware threads of them. */
export function physicalCores() {
  const available = availableParallelism();
  if (process.platform !== "linux") return available;
  const siblings = new Set();
  for (const cpu of allowedCpus()) {
    try {
      siblings.add(readFileSync(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`, "utf8"));
    } catch {
      return available;
    }
  }
  return siblings.size === 0 ? available : Math.min(siblings.size, available);
}

function allowedCpus() {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** How many cores the other programs of the machine take now, while this one does nothing. */
export async function busyCores(milliseconds = 200) {
  const before = processorTimes();
  await sleep(milliseconds);
  const after = processorTimes();
  const total = after.total - before.total;
  return total === 0 ? 0 : ((after.busy - before.busy) / total) * cpus().length;
}

function processorTimes() {
  let [busy, total] = [0, 0];
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.irq + times.idle;
    total += all;
    busy += all - times.idle;
  }
  return { busy, total };
}

/**
 * @param {readonly number[]} busyBeforeRuns cores that other programs took before each of the runs
 * @returns {string | null} null where nothing was in the way
 */
export function busyWarning(busyBeforeRuns) {
  const busy = busyBeforeRuns.filter((taken) => taken > BUSY_CORES).length;
  if (busy <= busyBeforeRuns.length * BUSY_RUNS) return null;
  return `other programs took processor time before ${busy} of ${busyBeforeRuns.length} runs`;
}

/**
 * @param {number} load the load average before the start
 * @param {number} cores
 */
export function isLoaded(load, cores) {
  return load > cores * BUSY_LOAD;
}
