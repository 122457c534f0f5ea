// Runs a job in a process of its own and takes that process, and whatever it started, down in the end.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

import { cacheDir, packageDir } from "../../scripts/lib/paths.mjs";

const CHILD = fileURLToPath(new URL("../child.mjs", import.meta.url));
/** What a failed program printed last is worth showing. */
const SHOWN_CHARACTERS = 2000;

/** @type {Set<number>} process groups */
const running = new Set();

/**
 * @typedef {{ metrics: Record<string, number>, details: Record<string, unknown>, seconds: number }} Run
 * @typedef {{ error: string, seconds: number, stoppedAfterSeconds?: number }} FailedRun the last where it took too long
 */

/**
 * @param {import("./workload.js").Job} job
 * @param {number} timeoutSeconds
 * @returns {Promise<Run | FailedRun>}
 */
export async function runJob(job, timeoutSeconds) {
  const started = performance.now();
  const ended = await runChild(job, timeoutSeconds);
  const seconds = (performance.now() - started) / 1000;
  const result = lastResult(ended.stdout);
  if (ended.timedOut) {
    return { error: `not finished after ${timeoutSeconds} seconds`, seconds, stoppedAfterSeconds: timeoutSeconds };
  }
  if (result?.error !== undefined) return { error: withoutNoise(result.error), seconds };
  if (ended.code !== 0) {
    const output = `${ended.stderr}\n${result === null ? ended.stdout : ""}`.trim().slice(-SHOWN_CHARACTERS);
    const when = result === null ? "" : " after it had finished";
    return { error: withoutNoise(`ended with ${ended.signal ?? `code ${ended.code}`}${when}\n${output}`), seconds };
  }
  if (result === null) return { error: "gave no result", seconds };
  return { metrics: result.metrics, details: result.details ?? {}, seconds };
}

/**
 * @param {import("./workload.js").Job} job
 * @param {number} timeoutSeconds
 * @returns {Promise<{ code: number | null, signal: string | null, stdout: string, stderr: string, timedOut: boolean }>}
 */
function runChild(job, timeoutSeconds) {
  return new Promise((resolve, reject) => {
    // A process group of its own, so that nothing it started outlives it.
    const child = spawn(process.execPath, [...(job.case.nodeOptions ?? []), CHILD], { detached: true });
    const { pid } = child;
    if (pid !== undefined) running.add(pid);
    let [stdout, stderr, timedOut] = ["", "", false];
    child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
    const timer = setTimeout(() => {
      timedOut = true;
      kill(pid);
    }, timeoutSeconds * 1000);
    child.on("error", reject);
    // Not `close`: a process it left behind would keep the pipes open.
    child.on("exit", () => kill(pid));
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (pid !== undefined) running.delete(pid);
      resolve({ code, signal, stdout, stderr, timedOut });
    });
    child.stdin.on("error", () => undefined); // it ended before it read its job; its exit tells
    child.stdin.end(JSON.stringify(job));
  });
}

/** @param {number | undefined} group */
function kill(group) {
  if (group === undefined) return;
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}

/** Interrupting the benchmark ends what it runs. */
export function stopRunsOnSignals() {
  for (const [signal, number] of /** @type {const} */ ([
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ])) {
    process.once(signal, () => {
      running.forEach(kill);
      console.error(`Ended by ${signal}; the workloads that were complete are written`);
      process.exit(128 + number);
    });
  }
}

/**
 * @param {string} stdout programs print whatever they like besides
 * @returns {any} null where there is no result
 */
export function lastResult(stdout) {
  const line = stdout
    .split("\n")
    .filter((text) => text.startsWith('{"bench":'))
    .at(-1);
  return line === undefined ? null : JSON.parse(line).bench;
}

/** Neither stacks nor where this machine has its files tell anything to others. @param {string} error */
function withoutNoise(error) {
  const [first = "", ...rest] = error.split("\n");
  const lines = [first, ...rest.filter((line) => !/^\s+at /.test(line))];
  return lines.join("\n").replaceAll(packageDir, ".").replaceAll(cacheDir(), "<cache>").trim();
}
