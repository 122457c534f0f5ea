// Runs programs in a situation, each in a process of its own.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { findExecutable } from "../lib/executables.mjs";
import { packageDir } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";

/**
 * @typedef {import("./situations.mjs").Situation} Situation
 * @typedef {import("./run.mjs").Findings} Findings
 * @typedef {import("./run.mjs").Failure} Failure
 * @typedef {Omit<import("./run.mjs").Order, "library">} Order
 * @typedef {{ end: number | string | null, outcome: Findings | Failure | null, words: string }} Run `words`: all but the outcome
 */

/** An empty folder in the toolkit's place, for this process and those it starts. */
const HIDE = 'mount -t tmpfs none "$1" && shift && exec "$@"';

export class Runner {
  #toolkit;
  #dist;

  /** @param {string} toolkit its root @param {string} dist the folder of the addons */
  constructor(toolkit, dist) {
    this.#toolkit = toolkit;
    this.#dist = dist;
  }

  /** @param {Situation} situation @param {Order} order @param {NodeJS.ProcessEnv} [more] @returns {Promise<Run>} */
  async answer(situation, order, more) {
    const library = pathToFileURL(join(packageDir, "dist", "index.js")).href;
    const script = join(packageDir, "scripts", "cuda", "run.mjs");
    const { code, signal, output } = await this.#start(
      situation,
      [script, JSON.stringify({ ...order, library })],
      more,
    );
    const lines = output.split("\n").filter((line) => line !== "");
    const last = lines.findLast((line) => line.startsWith("{"));
    const words = lines.filter((line) => line !== last).join("\n");
    return { end: signal ?? code, outcome: last === undefined ? null : JSON.parse(last), words };
  }

  /** `llama-native <args>` @param {Situation} situation @param {string[]} args */
  async command(situation, args) {
    return await this.#start(situation, [join(packageDir, "dist", "cli", "main.js"), ...args]);
  }

  /** @param {Situation} situation @param {string[]} args @param {NodeJS.ProcessEnv} [more] */
  async #start({ folder, hasToolkit, env }, args, more) {
    const command = [process.execPath, ...args];
    const hidden = hasToolkit ? [] : ["sh", "-c", HIDE, "sh", this.#toolkit];
    const unshare = findExecutable("unshare");
    if (unshare === null) throw new Error("Expected the program unshare, of util-linux, but found none");
    return await run(unshare, ["-m", ...hidden, ...command], {
      env: { ...this.#environment(folder), ...env, ...more },
    });
  }

  /** @param {string} folder @returns {NodeJS.ProcessEnv} */
  #environment(folder) {
    const { PATH, HOME, LLAMA_NATIVE_CACHE_DIR } = process.env;
    return {
      ...{ PATH, HOME, LLAMA_NATIVE_OUT_DIR: this.#dist, LD_LIBRARY_PATH: folder },
      ...(LLAMA_NATIVE_CACHE_DIR === undefined ? {} : { LLAMA_NATIVE_CACHE_DIR }),
    };
  }
}

/** What the runs cannot do without. @returns {string | null} */
export function missingHere() {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "It needs Linux, and root for mount namespaces.";
  if (existsSync("/proc/driver/nvidia")) return "It needs a machine without NVIDIA's driver.";
  if (!existsSync(join(packageDir, "dist", "index.js"))) return "The library is not compiled. Run: npm run build";
  return null;
}
