// Builds the CPU's addon and, beside it, that of this machine's best GPU. The CPU's comes first, so that nothing which goes
// wrong with a GPU leaves anyone without.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildAddon } from "./build-addon.mjs";
import { asBuildError, BuildError } from "./errors.mjs";
import { betterOnes, chooseAutomatically } from "./gpu/choose.mjs";
import { decideHere, describeDecision } from "./gpu/decisions.mjs";
import { recordFailure } from "./not-built.mjs";
import { cacheDir, distDir } from "./paths.mjs";
import { takePrebuilt } from "./prebuilt.mjs";

/**
 * @typedef {import("./gpu/choose.mjs").GpuDecision} GpuDecision
 * @typedef {import("./settings.mjs").GpuBackend} GpuBackend
 * @typedef {Omit<import("./build-addon.mjs").BuildOptions, "backend" | "plan">} Options
 * @typedef {import("./build-addon.mjs").BuildResult} BuildResult
 */

/**
 * The CPU's addon and that of the best GPU. What is wrong with the GPU is said and kept, and fails nothing.
 * @param {Options} options
 * @returns {Promise<BuildResult[]>}
 * @throws {BuildError} when there can be no addon for the CPU
 */
export async function buildForMachine(options) {
  const cpu = await buildAddon({ ...options, backend: "cpu" });
  const gpu = await buildBestGpu(options);
  return gpu === null ? [cpu] : [cpu, gpu];
}

/**
 * The addon of the best GPU, unless a package with a finished one works here.
 * @param {Options} options
 * @returns {Promise<BuildResult | null>} null where nothing was built
 */
export async function buildBestGpu(options) {
  const decisions = decideAndKeep(options.env);
  const prebuilt = await findPrebuilt(decisions, options);
  const chosen = prebuilt ?? chooseAutomatically(decisions);
  for (const { backend, reason, advice } of betterOnes(decisions, chosen)) {
    const error = new BuildError("missing-tools", describeMissing(backend, reason, advice));
    options.reporter.say(error.message);
    recordFailure(distDir(options.env), error, backend);
  }
  if (chosen === null || prebuilt !== null) return null;
  return await keepingFailure(chosen.backend, options, () => buildGpu(chosen, options));
}

/** @param {GpuDecision[]} decisions @param {Options} options */
async function findPrebuilt(decisions, options) {
  for (const decision of decisions) {
    if (decision.hasDevice && (await takePrebuilt(decision.backend, options))) return decision;
  }
  return null;
}

/**
 * One GPU backend, as asked for.
 * @param {GpuBackend} backend
 * @param {Options} options
 * @returns {Promise<BuildResult>}
 * @throws {BuildError}
 */
export async function buildBackend(backend, options) {
  const decision = decideAndKeep(options.env).find((each) => each.backend === backend);
  if (decision === undefined) {
    throw new BuildError("missing-tools", `llama-native: ${backend} cannot be built on ${process.platform}`);
  }
  if (!decision.hasDevice && decision.plan !== null) {
    options.reporter.say(`llama-native: ${backend}: ${decision.reason}; it is built all the same, for another machine`);
  }
  return await buildGpu(decision, options);
}

/**
 * Says and keeps why there is no addon for a GPU.
 * @template T
 * @param {GpuBackend} backend
 * @param {Options} options
 * @param {() => Promise<T>} work
 * @returns {Promise<T | null>}
 */
export async function keepingFailure(backend, { reporter, env }, work) {
  try {
    return await work();
  } catch (error) {
    const failure = asBuildError(error, env);
    reporter.say(failure.message);
    recordFailure(distDir(env), failure, backend);
    return null;
  }
}

/**
 * What each GPU backend lacks or has here, which `logs/gpu-decisions.log` in the cache keeps.
 * @param {NodeJS.ProcessEnv} [env]
 */
function decideAndKeep(env) {
  const decisions = decideHere(env);
  const lines = decisions.map((decision) => `${describeDecision(decision)}\n`);
  writeLog(join(cacheDir(env), "logs"), `${new Date().toISOString()}\n${lines.join("")}`);
  return decisions;
}

/** The decisions are kept where the builds' logs are. @param {string} folder @param {string} text */
function writeLog(folder, text) {
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "gpu-decisions.log"), text);
  } catch {
    // A cache that cannot be written fails builds with a reason; to look at the machine needs none.
  }
}

/** @param {GpuDecision} decision @param {Options} options */
async function buildGpu({ backend, plan, reason, advice }, options) {
  if (plan === null) throw new BuildError("missing-tools", describeMissing(backend, reason, advice));
  return await buildAddon({ ...options, backend, plan });
}

/** @param {GpuBackend} backend @param {string} reason @param {string | null} advice */
function describeMissing(backend, reason, advice) {
  const remedy = advice === null ? "" : `\nTo get it, ${advice}, then run: npx llama-native build --gpu ${backend}`;
  return `llama-native: there is no addon for ${backend}, because ${reason}.${remedy}`;
}
