// What the user sets: by environment variables, or by npm's configuration (`.npmrc`, `npm install --llama_native_gpu=cpu`),
// which npm hands to install scripts as `npm_config_llama_native_<name>`. npm 11 and 12 still do, and warn that they will stop.
// What a project's package.json has under "config" reaches the scripts of that project alone, and so none of these here.

import { BuildError } from "./errors.mjs";

/** Those that are on or off. */
const SWITCHES = ["SKIP_BUILD", "FROM_SOURCE", "PORTABLE"];
/** What a build goes by, and nothing that the library has to know later too: nobody hands it npm's configuration. */
export const BUILD_SETTINGS = ["GPU", "JOBS", "CMAKE_ARGS", "CMAKE", "SOURCE_DIR", "CACHE_DIR", ...SWITCHES];

/** @typedef {"metal" | "cuda" | "hip" | "vulkan"} GpuBackend */
/** @typedef {GpuBackend | "cpu"} Backend */

/** The best first. @type {readonly GpuBackend[]} */
export const GPU_BACKENDS = ["metal", "cuda", "hip", "vulkan"];
/** @type {readonly ("auto" | Backend)[]} */
export const GPU_CHOICES = ["auto", "cuda", "metal", "vulkan", "hip", "cpu"];

/**
 * Puts npm's configuration where the environment says nothing itself. A switch is on by "true", as in npm's files, or by "1".
 * @param {NodeJS.ProcessEnv} env
 */
export function adoptNpmConfig(env) {
  for (const name of SWITCHES) {
    if (env[`LLAMA_NATIVE_${name}`] === "true") env[`LLAMA_NATIVE_${name}`] = "1";
  }
  for (const name of BUILD_SETTINGS) {
    const value = env[`npm_config_llama_native_${name.toLowerCase()}`];
    if (value === undefined || value === "") continue; // npm makes nothing of false
    const isOn = value === "true" && SWITCHES.includes(name);
    env[`LLAMA_NATIVE_${name}`] ||= isOn ? "1" : value;
  }
}

/**
 * @param {string | undefined} value
 * @param {string} name of the option or variable
 * @returns {"auto" | Backend}
 */
export function readGpuChoice(value, name) {
  if (value === undefined || value === "") return "auto";
  const choice = GPU_CHOICES.find((known) => known === value);
  if (choice !== undefined) return choice;
  throw new BuildError(
    "build-failed",
    `llama-native: Expected one of ${GPU_CHOICES.join(", ")} for ${name} but received "${value}"`,
  );
}
