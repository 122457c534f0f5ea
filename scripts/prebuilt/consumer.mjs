// A program's folder on a machine without network and without compilers, which installs the tarballs.

import { mkdirSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { findExecutable } from "../lib/executables.mjs";
import { readJson, writeJson } from "../lib/files.mjs";
import { packageDir } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";

/** All that is on the PATH there. */
const PROGRAMS = ["node", "npm", "sh"];

/** @typedef {{ folder: string, env: NodeJS.ProcessEnv, output: string, bytes: number }} Consumer */

/**
 * @param {string} work
 * @param {string[]} tarballs
 * @returns {Promise<Consumer>}
 */
export async function install(work, tarballs) {
  const env = isolatedEnvironment(work);
  const cache = ["--cache", join(work, "npm-cache"), "--no-audit", "--no-fund"];
  await warmCache(join(work, "warm"), cache);
  const folder = join(work, "program");
  mkdirSync(folder);
  writeJson(join(folder, "package.json"), { private: true, type: "module" });
  const output = await offline(
    ["npm", "install", "--offline", "--foreground-scripts", ...cache, ...tarballs],
    folder,
    env,
  );
  return { folder, env, output, bytes: sizeOf(join(folder, "node_modules")) };
}

/**
 * Runs a program without any network.
 * @param {string[]} command
 * @param {string} folder
 * @param {NodeJS.ProcessEnv} env
 */
export async function offline(command, folder, env) {
  const unshare = findExecutable("unshare");
  if (unshare === null) throw new Error("Expected the program unshare, of util-linux, but found none");
  const { code, signal, output } = await run(unshare, ["-n", ...command], { cwd: folder, env });
  if (code === 0) return output;
  throw new Error(`${command.join(" ")} ended with ${signal ?? code}:\n${output}`);
}

/** Bytes of all files in a folder. @param {string} folder @returns {number} */
export function sizeOf(folder) {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    return sum + (entry.isDirectory() ? sizeOf(path) : entry.isFile() ? statSync(path).size : 0);
  }, 0);
}

/** @param {string} work @returns {NodeJS.ProcessEnv} */
function isolatedEnvironment(work) {
  const bin = join(work, "bin");
  mkdirSync(bin);
  for (const name of PROGRAMS) {
    const program = findExecutable(name);
    if (program === null) throw new Error(`Expected the program ${name} but found none`);
    symlinkSync(program, join(bin, name));
  }
  return { PATH: bin, HOME: work, LLAMA_NATIVE_CACHE_DIR: join(work, "cache") };
}

/** npm keeps what the package depends on, so that it is there without network. @param {string} folder @param {string[]} cache */
async function warmCache(folder, cache) {
  const { dependencies } = readJson(join(packageDir, "package.json"));
  mkdirSync(folder);
  writeJson(join(folder, "package.json"), { private: true, dependencies });
  const { code, output } = await run("npm", ["install", "--ignore-scripts", ...cache], { cwd: folder });
  if (code !== 0) throw new Error(`npm install of the dependencies ended with ${code}:\n${output}`);
  rmSync(folder, { recursive: true });
}
