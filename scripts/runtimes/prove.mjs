// What a runtime does of what every one must do: the smoke test, and how processes end.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { packageDir } from "../lib/paths.mjs";

/**
 * @typedef {object} Row
 * @property {string} runtime
 * @property {Record<string, string>} checks each "ok", or what went wrong
 */

const ENDINGS = [
  { end: "idle", check: "ends by itself, nothing disposed", code: 0 },
  { end: "exit", check: "process.exit() in mid-stream", code: 7 },
  { end: "throw", check: "an exception in mid-stream", code: 1 },
];
const RUN_MS = 300_000;
/** From the last line that a program prints to its end. */
const END_MS = 5000;

/**
 * @param {string} binary
 * @param {string} dist the library's folder
 * @param {string} model
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [where]
 * @returns {Row}
 */
export function prove(binary, dist, model, where = {}) {
  const { status, signal, stdout, stderr, lingered } = start(binary, "smoke.mjs", [dist, model], where);
  const line = stdout.trim().split("\n").at(-1) ?? "";
  if (!line.startsWith("{"))
    throw new Error(`${binary} ended with ${status ?? signal} before it told anything:\n${stderr}`);
  /** @type {import("./smoke.mjs").Findings} */
  const { runtime, checks } = JSON.parse(line);
  console.log(runtime);
  const ended = status === 0 && lingered < END_MS;
  checks["ends by itself with 0"] = ended ? "ok" : `ended with ${status ?? signal} after ${Math.round(lingered)} ms`;
  for (const { end, check, code } of ENDINGS) {
    const outcome = start(binary, "ending.mjs", [dist, model, end], where);
    checks[check] =
      outcome.status === code ? "ok" : `ended with ${outcome.status ?? outcome.signal}: ${outcome.stderr}`;
  }
  return { runtime, checks };
}

/** @param {string} binary @param {string} program @param {string[]} args @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} where */
function start(binary, program, args, where) {
  const path = join(packageDir, "scripts", "runtimes", program);
  const child = spawnSync(binary, [path, ...args], { encoding: "utf8", timeout: RUN_MS, ...where });
  const printed = Number(/"at":(\d+)/.exec(child.stdout)?.[1] ?? Date.now());
  return { ...child, lingered: Date.now() - printed };
}
