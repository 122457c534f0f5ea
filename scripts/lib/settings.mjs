// What the user sets: by environment variables, or by npm's configuration (`.npmrc`, `npm install --llama_native_gpu=cpu`),
// which npm hands to install scripts as `npm_config_llama_native_<name>`. npm 11 still does, and warns that it will stop.

import { BuildError } from "./errors.mjs";

const NAMES = ["GPU", "JOBS", "CMAKE_ARGS", "SKIP_BUILD", "FROM_SOURCE", "PORTABLE", "CACHE_DIR", "CMAKE"];

/** @typedef {"metal" | "cuda" | "hip" | "vulkan"} GpuBackend */
/** @typedef {GpuBackend | "cpu"} Backend */

/** The best first. @type {readonly GpuBackend[]} */
export const GPU_BACKENDS = ["metal", "cuda", "hip", "vulkan"];
/** @type {readonly ("auto" | Backend)[]} */
export const GPU_CHOICES = ["auto", "cuda", "metal", "vulkan", "hip", "cpu"];

/**
 * Puts npm's configuration where the environment says nothing itself.
 * @param {NodeJS.ProcessEnv} env
 */
export function adoptNpmConfig(env) {
  for (const name of NAMES) {
    const value = env[`npm_config_llama_native_${name.toLowerCase()}`];
    if (value !== undefined && value !== "") env[`LLAMA_NATIVE_${name}`] ||= value;
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
