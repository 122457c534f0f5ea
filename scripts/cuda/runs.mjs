// Runs programs in a situation, each in a process of its own.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { readRun } from "../fallback/examine.mjs";
import { findExecutable } from "../lib/executables.mjs";
import { packageDir } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";

/**
 * @typedef {import("./situations.mjs").Situation} Situation
 * @typedef {import("../fallback/examine.mjs").Runner} Runner
 */

/** An empty folder in the toolkit's place, for this process and those it starts. */
const HIDE = 'mount -t tmpfs none "$1" && shift && exec "$@"';

/**
 * @param {string} toolkit its root
 * @param {string} dist the folder of the addons
 * @param {Situation} situation
 * @returns {Runner}
 */
export function runnerIn(toolkit, dist, situation) {
  /** @param {string[]} args @param {NodeJS.ProcessEnv} [more] */
  const start = async (args, more) => {
    const hidden = situation.hasToolkit ? [] : ["sh", "-c", HIDE, "sh", toolkit];
    const unshare = findExecutable("unshare");
    if (unshare === null) throw new Error("Expected the program unshare, of util-linux, but found none");
    return await run(unshare, ["-m", ...hidden, process.execPath, ...args], {
      env: { ...environment(dist, situation.folder), ...situation.env, ...more },
    });
  };
  return {
    answer: async (order, more) => {
      const library = pathToFileURL(join(packageDir, "dist", "index.js")).href;
      const script = join(packageDir, "scripts", "fallback", "run.mjs");
      return readRun(await start([script, JSON.stringify({ ...order, library })], more));
    },
    command: async (args) => await start([join(packageDir, "dist", "cli", "main.js"), ...args]),
  };
}

/** @param {string} dist @param {string} folder @returns {NodeJS.ProcessEnv} */
function environment(dist, folder) {
  const { PATH, HOME, LLAMA_NATIVE_CACHE_DIR } = process.env;
  return {
    ...{ PATH, HOME, LLAMA_NATIVE_OUT_DIR: dist, LD_LIBRARY_PATH: folder },
    ...(LLAMA_NATIVE_CACHE_DIR === undefined ? {} : { LLAMA_NATIVE_CACHE_DIR }),
  };
}

/** What the runs cannot do without. @returns {string | null} */
export function missingHere() {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "It needs Linux, and root for mount namespaces.";
  if (existsSync("/proc/driver/nvidia")) return "It needs a machine without NVIDIA's driver.";
  if (!existsSync(join(packageDir, "dist", "index.js"))) return "The library is not compiled. Run: npm run build";
  return null;
}
