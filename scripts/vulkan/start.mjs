// Starts a run of the proof. Mesa 22.3's software driver ends up to half of the processes that have some layers on the device and
// some on the CPU, in the driver's own thread (SIGSEGV); such a run is repeated, and told. Khronos' validation layers, with those of
// synchronization, find nothing wrong in what the driver is asked for, and no process ends with them.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { packageDir } from "../lib/paths.mjs";

/** @typedef {import("./run.mjs").Order} Order @typedef {import("./run.mjs").Findings} Findings @typedef {import("./run.mjs").Failure} Failure */

const ATTEMPTS = 10;
/** Runs that a signal ended, and that were repeated. @type {string[]} */
export const crashes = [];

/**
 * @param {Order} order
 * @param {NodeJS.ProcessEnv} [more]
 * @returns {{ outcome: Findings | Failure, log: string }}
 */
export function start(order, more) {
  // Without it ggml leaves devices out that compute on the CPU.
  const env = { GGML_VK_VISIBLE_DEVICES: "0", ...process.env, ...more };
  const script = join(packageDir, "scripts", "vulkan", "run.mjs");
  const [command, options] = [[script, JSON.stringify(order)], { env, maxBuffer: 1e9 }];
  for (let attempt = 1; ; attempt++) {
    const child = spawnSync(process.execPath, command, { ...options, encoding: "utf8" });
    const outcome = child.stdout.split("\n").findLast((line) => line.startsWith("{"));
    if (outcome !== undefined) return { outcome: JSON.parse(outcome), log: child.stderr };
    const end = `A run with ${JSON.stringify(order.load)} ended with ${child.status ?? child.signal}`;
    if (child.signal === null || attempt === ATTEMPTS) throw new Error(`${end}:\n${child.stderr}`);
    crashes.push(`${end}, and was repeated`);
  }
}

/** @param {Order} order @param {NodeJS.ProcessEnv} [more] @returns {Findings & { log: string }} */
export function succeed(order, more) {
  const { outcome, log } = start(order, more);
  if ("code" in outcome) throw new Error(`${JSON.stringify(order.load)} failed: ${outcome.code}: ${outcome.message}`);
  return { ...outcome, log };
}
