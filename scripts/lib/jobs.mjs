// How many files a build compiles at once: by processors, and by the memory that is free.

import { availableParallelism, freemem, totalmem } from "node:os";
import { join } from "node:path";
import { readIfThere } from "./files.mjs";

/** One compiler process for llama.cpp's larger files; those for GPUs compile a kernel many times over. */
const BYTES_PER_JOB = {
  cpu: 1.5 * 1024 ** 3,
  metal: 1.5 * 1024 ** 3,
  vulkan: 2 * 1024 ** 3,
  cuda: 3 * 1024 ** 3,
  hip: 3 * 1024 ** 3,
};
/** Of a Mac's memory, what it gives up for the asking although it counts as used. */
const MAC_SHARE = 0.6;

/**
 * @typedef {object} Room what a build may take of this machine
 * @property {number} cores
 * @property {number} memoryBytes
 *
 * @typedef {object} JobDecision
 * @property {number} jobs
 * @property {string} reason why so many
 */

/**
 * @param {NodeJS.ProcessEnv} [env]
 * @param {import("./settings.mjs").Backend} [backend]
 * @param {Room} [room]
 * @returns {JobDecision}
 */
export function decideJobs(env = process.env, backend = "cpu", room = roomHere()) {
  const wanted = Number(env.LLAMA_NATIVE_JOBS ?? "");
  if (Number.isInteger(wanted) && wanted > 0) return { jobs: wanted, reason: "LLAMA_NATIVE_JOBS" };
  const { cores, memoryBytes } = room;
  const perJob = BYTES_PER_JOB[backend];
  const jobs = Math.max(1, Math.min(cores, Math.floor(memoryBytes / perJob)));
  const memory = `${gigabytes(memoryBytes)} of memory free, ${gigabytes(perJob)} for each`;
  return { jobs, reason: `${cores} ${cores === 1 ? "core" : "cores"}, ${memory}` };
}

/** "2 jobs (2 cores, 6.1 GB of memory free, 1.6 GB for each)" @param {JobDecision} decision */
export function describeJobs({ jobs, reason }) {
  return `${jobs} ${jobs === 1 ? "job" : "jobs"} (${reason})`;
}

/** @returns {Room} */
function roomHere() {
  const limit = process.constrainedMemory?.() || Infinity;
  return { cores: availableParallelism(), memoryBytes: Math.min(totalmem(), limit, freeMemory()) };
}

/**
 * What programs can still get, the system's cache of files included, which a build has just filled.
 * @param {string} [root] in place of `/`, for tests
 * @param {NodeJS.Platform} [platform] the same
 */
export function freeMemory(root = "/", platform = process.platform) {
  if (platform === "darwin") return Math.max(freemem(), totalmem() * MAC_SHARE);
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readIfThere(join(root, "proc/meminfo")))?.[1];
  return kibibytes === undefined ? freemem() : Number(kibibytes) * 1024;
}

/** @param {number} bytes */
function gigabytes(bytes) {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
