// Projects on other machines than this: one that has no compilers, and those of other systems.

import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { findExecutable } from "../lib/executables.mjs";
import { install } from "../package/installs.mjs";
import { serveSupplies } from "../package/registry.mjs";

/** All that is on the PATH. */
const PROGRAMS = ["node", "sh"];

/**
 * @param {{ work: string, npm: import("../package/installs.mjs").Npm, registry: string }} options
 * @returns {import("../package/installs.mjs").Place}
 */
export function preparePlace({ work, npm, registry }) {
  const bin = join(work, "bin");
  mkdirSync(bin);
  for (const name of PROGRAMS) {
    const program = findExecutable(name);
    if (program === null) throw new Error(`Expected the program ${name} but found none`);
    symlinkSync(program, join(bin, name));
  }
  const env = {
    PATH: bin,
    LLAMA_NATIVE_CACHE_DIR: join(work, "cache"),
    // So that npm passes on what the install script says.
    npm_config_foreground_scripts: "true",
  };
  return { folder: join(work, "program"), npm: { ...npm, node: join(bin, "node") }, registry, env };
}

/**
 * Installs llama-native from a registry of this machine, as npm does on another that has its package among those of all platforms.
 * @param {NodeJS.ProcessEnv} machine what npm goes by there
 * @param {import("./goods.mjs").Goods} goods
 * @param {string} work
 * @returns {Promise<{ place: import("../package/installs.mjs").Place, installedBytes: number }>}
 */
export async function installFor(machine, { folder, supplies, npm }, work) {
  const registry = await serveSupplies(folder, supplies);
  try {
    const env = { LLAMA_NATIVE_CACHE_DIR: join(work, "cache") };
    const place = { folder: join(work, "program"), npm, registry: registry.url, env };
    // Install scripts would run here, and not there.
    const there = { ...place, env: { ...machine, npm_config_ignore_scripts: "true" } };
    const { installedBytes } = await install("llama-native", there);
    return { place, installedBytes };
  } finally {
    await registry.close();
  }
}
