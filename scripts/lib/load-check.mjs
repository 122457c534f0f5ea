// Loads a fresh addon in a process of its own: one that crashes or lacks a library must not end the install.

import { BuildError } from "./errors.mjs";
import { run } from "./run.mjs";

// RTLD_NOW: a function that was left out of the build is found here, and not when it is first called.
const LIST_EXPORTS = `
  const addon = { exports: {} };
  process.dlopen(addon, process.argv[1], require("node:os").constants.dlopen.RTLD_NOW);
  console.log(JSON.stringify(Object.keys(addon.exports)));`;

/**
 * @param {string} addon
 * @param {string} [logPath]
 * @returns {Promise<string[]>} the names the addon exports
 */
export async function checkLoads(addon, logPath) {
  const { code, signal, stdout, output } = await run(process.execPath, ["-e", LIST_EXPORTS, addon]);
  if (code === 0) return JSON.parse(stdout.split("\n").at(-1) ?? "[]");
  const why = /Error: (.*)/.exec(output)?.[1] ?? `the process that loads it ended with ${signal ?? `code ${code}`}`;
  const message = `llama-native: the addon was built but cannot be loaded: ${why}\nRebuild it with: npx llama-native build`;
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
 * @returns {Promise<string | null>} what is wrong with it, or null
 */
export async function checkRuns(addon, needsGpu = false) {
  const { code, signal, stdout, output } = await run(process.execPath, ["-e", ASK_SYSTEM, addon]);
  if (code === 0) return needsGpu ? whyNoGpu(stdout) : null;
  return /Error: (.*)/.exec(output)?.[1] ?? `the process that loads it ended with ${signal ?? `code ${code}`}`;
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
