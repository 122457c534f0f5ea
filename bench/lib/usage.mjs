// Memory and processor time of a process: this one, or one that it started.

import { readFileSync } from "node:fs";

/** The kernel's unit in /proc/<pid>/stat (USER_HZ), the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/**
 * @param {number} pid
 * @returns {{ residentBytes: number, peakBytes: number, anonymousBytes: number }} resident pages now and at most, and
 * those of them that belong to no file
 */
export function memoryOf(pid) {
  if (process.platform !== "linux") throw new Error("Memory is measured on Linux only");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (/** @type {string} */ name) => {
    const kilobytes = new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(status)?.[1];
    if (kilobytes === undefined) throw new Error(`/proc/${pid}/status has no ${name}`);
    return Number(kilobytes) * 1024;
  };
  return { residentBytes: field("VmRSS"), peakBytes: field("VmHWM"), anonymousBytes: field("RssAnon") };
}

/** Processor time of all threads so far. @param {number} pid */
export function cpuSecondsOf(pid) {
  if (pid === process.pid) {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
  if (process.platform !== "linux") throw new Error("The processor time of another process is measured on Linux only");
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name, in parentheses, may hold anything; user and system time are the 12th and 13th field after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/**
 * Processor time of the JS thread so far, to the nanosecond; the engines' threads are not in it.
 * @returns {number | null} seconds, null where the system does not tell
 */
export function mainThreadCpuSeconds() {
  if (process.platform !== "linux") return null;
  const [nanoseconds] = readFileSync("/proc/thread-self/schedstat", "utf8").split(" ");
  return Number(nanoseconds) / 1e9;
}
