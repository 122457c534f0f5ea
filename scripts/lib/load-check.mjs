// Loads a fresh addon in a process of its own: one that crashes, lacks a library or never comes back, as in a driver of a GPU
// that hangs, must not end the install.

import { BuildError } from "./errors.mjs";
import { systemLibrary } from "./gpu/facts.mjs";
import { run } from "./run.mjs";

// RTLD_NOW: a function that was left out of the build is found here, and not when it is first called.
const LIST_EXPORTS = `
  const addon = { exports: {} };
  process.dlopen(addon, process.argv[1], require("node:os").constants.dlopen.RTLD_NOW);
  console.log(JSON.stringify(Object.keys(addon.exports)));`;

/** A disk that is slow has to read 60 MB, and a GPU's driver to start. */
const LONGEST_MS = 120_000;

/** Libraries of drivers, which machines that build for others do without. @type {Record<string, { linux: string, win32: string }>} */
const DRIVERS = { cuda: { linux: "libcuda.so.1", win32: "nvcuda.dll" } };

/**
 * Whether a GPU's addon was not loaded for want of a driver alone. Windows does not tell which library it lacks.
 * @param {string} backend
 * @param {string} failure
 * @param {{ platform?: NodeJS.Platform, env?: NodeJS.ProcessEnv }} [machine]
 */
export function lacksDriver(backend, failure, { platform = process.platform, env = process.env } = {}) {
  const driver = DRIVERS[backend];
  if (driver === undefined) return false;
  if (platform !== "win32") return failure.includes(driver.linux) && failure.includes("No such file or directory");
  return /specified module could not be found|error 126\b/.test(failure) && systemLibrary(driver.win32, env) === null;
}

/**
 * @param {string} addon
 * @param {{ backend: string, logPath?: string }} of
 * @returns {Promise<{ exports: string[] } | { unloaded: string }>} the names that it exports, or why it was not loaded where that
 * is for want of a GPU's driver alone, as on a machine that builds for another one
 * @throws {BuildError}
 */
export async function checkLoads(addon, { backend, logPath }) {
  const { stdout, problem } = await load(LIST_EXPORTS, addon, LONGEST_MS);
  if (problem === null) return { exports: JSON.parse(stdout.split("\n").at(-1) ?? "[]") };
  if (lacksDriver(backend, problem)) return { unloaded: problem };
  const message = `llama-native: the addon was built but cannot be loaded: ${problem}\nRebuild it with: npx llama-native build`;
  throw new BuildError("not-loadable", message, logPath === undefined ? {} : { logPath });
}

// What the library does first: it fails where there are no kernels for this CPU.
const ASK_SYSTEM = `
  const addon = { exports: {} };
  process.dlopen(addon, process.argv[1]);
  console.log(JSON.stringify(addon.exports.systemInfo({})));`;

/**
 * Whether an addon that was made elsewhere works on this machine.
 * @param {string} addon
 * @param {boolean} [needsGpu] without which it would not be used
 * @param {number} [longest] milliseconds that it may take
 * @returns {Promise<string | null>} what is wrong with it, or null
 */
export async function checkRuns(addon, needsGpu = false, longest = LONGEST_MS) {
  const { stdout, problem } = await load(ASK_SYSTEM, addon, longest);
  return problem ?? (needsGpu ? whyNoGpu(stdout) : null);
}

/** @param {string} script @param {string} addon @param {number} longest */
async function load(script, addon, longest) {
  const began = performance.now();
  const { code, signal, stdout, output } = await run(process.execPath, ["-e", script, addon], { timeout: longest });
  if (code === 0) return { stdout, problem: null };
  const isLate = signal === "SIGKILL" && performance.now() - began >= longest;
  const end = isLate ? `did not come back within ${longest / 1000} seconds` : `ended with ${signal ?? `code ${code}`}`;
  return { stdout, problem: /Error: (.*)/.exec(output)?.[1] ?? `the process that loads it ${end}` };
}

/** As the library decides it (src/native/load-addon.ts). @param {string} stdout to which drivers may print too */
function whyNoGpu(stdout) {
  const line = stdout.split("\n").findLast((each) => each.startsWith("{")) ?? "";
  /** @type {{ devices: { type: string }[], backendWarnings: string[] }} */
  const { devices, backendWarnings } = JSON.parse(line);
  if (devices.some(({ type }) => type === "gpu" || type === "integrated-gpu")) return null;
  const words = backendWarnings.map((line) => line.replace(/^\w+: /, "").trim()).join("; ");
  return `it finds no device on this machine${words === "" ? "" : `: ${words}`}`;
}
