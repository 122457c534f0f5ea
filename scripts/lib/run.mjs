// Runs a program to its end, line by line, and takes it down when this process is asked to stop.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {(line: string) => void} [onLine] called with every line of standard output and standard error
 *
 * @typedef {object} RunResult
 * @property {number | null} code null when a signal ended the program
 * @property {NodeJS.Signals | null} signal
 * @property {string} stdout
 * @property {string} output both streams, as they came
 */

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();

/**
 * @param {string} program
 * @param {string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<RunResult>} rejects only when the program cannot be started
 */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["ignore", "pipe", "pipe"],
      // Batch files (npm.cmd) need a shell on Windows; every argument given to one is our own.
      shell: process.platform === "win32" && /\.(cmd|bat)$/i.test(program),
      windowsHide: true,
    });
    running.add(child);
    /** @type {string[]} */
    const stdout = [];
    /** @type {string[]} */
    const output = [];
    createInterface({ input: child.stdout }).on("line", (line) => {
      stdout.push(line);
      output.push(line);
      options.onLine?.(line);
    });
    createInterface({ input: child.stderr }).on("line", (line) => {
      output.push(line);
      options.onLine?.(line);
    });
    child.on("error", (error) => {
      running.delete(child);
      reject(error);
    });
    child.on("close", (code, signal) => {
      running.delete(child);
      resolve({ code, signal, stdout: stdout.join("\n"), output: output.join("\n") });
    });
  });
}

/** Makes an interrupt or a termination end the programs that run first, then this process. */
export function stopChildrenOnSignals() {
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.once(signal, () => {
      for (const child of running) child.kill(signal);
      // `exit` handlers (the lock's) run; 128 + the signal's number is what a shell would report.
      process.exit({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }[signal]);
    });
  }
}
