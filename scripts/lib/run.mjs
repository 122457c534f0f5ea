// Runs a program to its end, line by line, and takes it down when this process is asked to stop.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {(line: string) => void} [onLine] called with every line of standard output and standard error
 * @property {number} [timeout] milliseconds after which the program is killed
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
    const child = spawn(...inShell(program, args), {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["ignore", "pipe", "pipe"],
      shell: needsShell(program),
      windowsHide: true,
      ...(options.timeout === undefined ? {} : { timeout: options.timeout, killSignal: "SIGKILL" }),
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

/** Batch files (npm.cmd) need a shell on Windows. @param {string} program @param {NodeJS.Platform} [platform] */
function needsShell(program, platform = process.platform) {
  return platform === "win32" && /\.(cmd|bat)$/i.test(program);
}

/**
 * The program and its arguments as they are to be given to `spawn`, which puts nothing into quotes for a shell. All that is given
 * to one is our own, paths that may have spaces among it.
 * @param {string} program
 * @param {string[]} args
 * @param {NodeJS.Platform} [platform]
 * @returns {[string, string[]]}
 */
export function inShell(program, args, platform) {
  if (!needsShell(program, platform)) return [program, args];
  const quoted = (/** @type {string} */ word) => (/^[\w@./:\\=+-]+$/.test(word) ? word : `"${word}"`);
  return [quoted(program), args.map(quoted)];
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
