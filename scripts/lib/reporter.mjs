// What the person who installs sees: one updating line on a terminal, a plain line now and then elsewhere.

import { closeSync, openSync, writeSync } from "node:fs";

/**
 * @typedef {object} Reporter
 * @property {(line: string) => void} say
 * @property {(done: number, total: number, what: string) => void} progress
 * @property {() => void} close
 *
 * @typedef {object} Output
 * @property {(text: string) => void} write
 * @property {boolean} updates whether a line may be overwritten
 * @property {number} columns
 */

/** Plain output gets a line each time so many percent are done. */
const PLAIN_STEP_PERCENT = 10;
const CLEAR_LINE = "\r\u001b[K";

/**
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Reporter}
 */
export function createReporter(env = process.env) {
  const terminal = openHiddenTerminal(env);
  const parts = [forOutput(standardOutput())];
  if (terminal !== null) parts.push(forOutput(terminal.output));
  return {
    say: (line) => parts.forEach((part) => part.say(line)),
    progress: (done, total, what) => parts.forEach((part) => part.progress(done, total, what)),
    close: () => {
      parts.forEach((part) => part.close());
      terminal?.close();
    },
  };
}

/**
 * @param {Output} output
 * @returns {Reporter}
 */
export function forOutput(output) {
  const start = Date.now();
  let shown = "";
  let lastPercent = 0;
  const clear = () => {
    if (shown !== "") output.write(CLEAR_LINE);
    shown = "";
  };
  return {
    say: (line) => {
      clear();
      output.write(`${line}\n`);
    },
    progress: (done, total, what) => {
      const percent = total > 0 ? Math.floor((100 * done) / total) : 0;
      const line = `[${String(percent).padStart(3)}%] ${done}/${total} ${what}  ${elapsed(Date.now() - start)}`;
      if (output.updates) {
        shown = line.slice(0, output.columns - 1);
        output.write(CLEAR_LINE + shown);
      } else if (percent >= lastPercent + PLAIN_STEP_PERCENT || (percent === 100 && lastPercent < 100)) {
        lastPercent = percent;
        output.write(`${line}\n`);
      }
    },
    close: clear,
  };
}

/** @returns {Output} */
function standardOutput() {
  const { stdout } = process;
  const updates = stdout.isTTY === true && process.env.TERM !== "dumb" && process.env.CI === undefined;
  return { write: (text) => void stdout.write(text), updates, columns: stdout.columns || 80 };
}

/**
 * npm swallows what the install scripts of dependencies print. Where a person sits at a terminal, it is written there.
 * @param {NodeJS.ProcessEnv} env
 * @returns {{ output: Output, close: () => void } | null}
 */
function openHiddenTerminal(env) {
  const swallowed = env.npm_lifecycle_event === "install" && process.stdout.isTTY !== true;
  const quiet = env.CI !== undefined || env.TERM === "dumb" || env.npm_config_loglevel === "silent";
  if (!swallowed || quiet || process.platform === "win32") return null;
  try {
    const descriptor = openSync("/dev/tty", "w");
    // npm draws its own spinner there, so that only whole lines are written.
    const write = (/** @type {string} */ text) => {
      try {
        writeSync(descriptor, `\r\u001b[K${text}`);
      } catch {
        // The terminal went away; the install goes on without it.
      }
    };
    return { output: { write, updates: false, columns: 80 }, close: () => closeSync(descriptor) };
  } catch {
    return null; // no terminal: a container, a service, an editor
  }
}

/** @param {number} ms */
function elapsed(ms) {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
