// Builds the addon of one backend, or finds that an earlier build still serves.
//
//   <dist>/<backend>/llama-native.node, build.json   what the library loads, and what it was made from
//   <cache>/addons/<backend>-<hash of the inputs>/    the same pair, kept for the next install
//   <cache>/build/<key>/, <cache>/logs/<key>.log      CMake's build folder, and what the tools printed
//   <cache>/sources/                                  llama.cpp

import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { ADDON, claim, keepInCache, serves, takeFromCache } from "./addon-store.mjs";
import { buildKey, inBuildFolder, lockPath, shortHash } from "./build-folder.mjs";
import { collectInputs, hashInputs, isPortable } from "./build-inputs.mjs";
import { runCmake } from "./cmake.mjs";
import { withPlainCompilers } from "./compilers.mjs";
import { BuildError, messageOf } from "./errors.mjs";
import { diskProblem } from "./gpu/choose.mjs";
import { freeDisk } from "./gpu/facts.mjs";
import { decideJobs, describeJobs } from "./jobs.mjs";
import { checkLoads } from "./load-check.mjs";
import { withLock } from "./lock.mjs";
import { missingToolsMessage } from "./missing-tools.mjs";
import { clearNotBuilt } from "./not-built.mjs";
import { cacheDir, distDir, nativeDir } from "./paths.mjs";
import { MAX_ADDON_BYTES } from "./pins.mjs";
import { resolveSources } from "./sources.mjs";
import { detectToolchain } from "./toolchain.mjs";

/** Sources that are edited while they compile give an addon of no known origin; then the build is repeated. */
const MAX_ATTEMPTS = 3;

/**
 * @typedef {object} BuildOptions
 * @property {import("./settings.mjs").Backend} backend
 * @property {import("./gpu/choose.mjs").GpuPlan} [plan] of a GPU's backend
 * @property {import("./reporter.mjs").Reporter} reporter
 * @property {NodeJS.ProcessEnv} [env]
 * @property {boolean} [force] build from nothing, even though nothing changed
 * @property {number} [jobs]
 * @property {boolean} [verbose] pass on everything the tools print
 *
 * @typedef {object} BuildResult
 * @property {string} path the addon
 * @property {"current" | "cached" | "built"} how
 * @property {import("./settings.mjs").Backend} backend
 *
 * @typedef {import("./toolchain.mjs").Toolchain} Toolchain
 */

/**
 * @param {BuildOptions} options
 * @returns {Promise<BuildResult>}
 * @throws {BuildError} when there can be no addon
 */
export async function buildAddon(options) {
  const env = withPlainCompilers(options.env ?? process.env);
  const dist = distDir(env);
  const target = join(dist, options.backend);
  try {
    const how = await bringUpToDate(target, options, env);
    clearNotBuilt(dist, options.backend);
    return { path: join(target, ADDON), how, backend: options.backend };
  } catch (error) {
    throw explained(error, env);
  }
}

/**
 * A full disk or a folder that cannot be written is nothing that a stack explains.
 * @param {unknown} error
 * @param {NodeJS.ProcessEnv} env
 */
function explained(error, env) {
  if (!(error instanceof Error) || !("syscall" in error)) return error;
  const { path = "", dest = path } = /** @type {{ path?: string, dest?: string }} */ (error);
  const dist = distDir(env);
  const advice = isBelow(dist, dest) ? distAdvice(dist) : cacheAdvice(env);
  return new BuildError("build-failed", `llama-native: the addon was not built: ${error.message}\n${advice}`);
}

/** @param {string} folder @param {string} path */
function isBelow(folder, path) {
  return path === folder || path.startsWith(folder + sep);
}

/** @param {string} dist */
function distAdvice(dist) {
  return `Addons are put into ${dist}; LLAMA_NATIVE_OUT_DIR names another folder, when building and when running.`;
}

/** @param {NodeJS.ProcessEnv} env */
function cacheAdvice(env) {
  return `The sources and the build are kept in ${cacheDir(env)}; LLAMA_NATIVE_CACHE_DIR names another folder.`;
}

/**
 * @param {string} target
 * @param {BuildOptions} options
 * @param {NodeJS.ProcessEnv} env
 */
async function bringUpToDate(target, options, env) {
  const cache = cacheDir(env);
  const found = detectToolchain(env);
  const toolchain = "toolchain" in found ? found.toolchain : null;
  const inputs = collectInputs(options, toolchain, env);
  if (!options.force && serves(target, inputs)) {
    claim(target);
    return "current";
  }
  if (!options.force && takeFromCache(cache, inputs, target)) return "cached";
  if ("missing" in found) throw new BuildError("missing-tools", missingToolsMessage(found, env));
  // Before minutes of work, which would have nowhere to go.
  requireWritable(target, env);
  const key = buildKey(inputs, found.toolchain);
  const work = async () => {
    if (!options.force && takeFromCache(cache, inputs, target)) return "cached";
    await build({ cache, key, target, toolchain: found.toolchain, env }, options);
    return "built";
  };
  const onWait = (/** @type {number | null} */ pid) =>
    options.reporter.say(`llama-native: waiting for another install (process ${pid ?? "unknown"}) to finish`);
  return await withLock(lockPath(cache, key), work, { onWait });
}

/**
 * @param {string} target
 * @param {NodeJS.ProcessEnv} env
 */
function requireWritable(target, env) {
  let folder = target;
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder);
  try {
    accessSync(folder, constants.W_OK);
  } catch (error) {
    const why = `llama-native: the addon was not built: ${messageOf(error)}`;
    throw new BuildError("build-failed", `${why}\n${distAdvice(distDir(env))}`);
  }
}

/**
 * @param {{ cache: string, key: string, target: string, toolchain: Toolchain, env: NodeJS.ProcessEnv }} place
 * @param {BuildOptions} options
 */
async function build(place, options) {
  const { cache, target, toolchain, env } = place;
  const log = (/** @type {string} */ message) => options.reporter.say(`llama-native: ${message}`);
  const noRoom = diskProblem(options.backend, freeDisk(cache));
  if (noRoom !== null)
    throw new BuildError("build-failed", `llama-native: the addon was not built: ${noRoom}\n${cacheAdvice(env)}`);
  const llamaDir = await resolveSources({ cache, env, log });
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const inputs = collectInputs(options, toolchain, env);
    const addon = await compile(
      place,
      { ...options, force: options.force === true && attempt === 1 },
      llamaDir,
      inputs,
    );
    if (hashInputs(collectInputs(options, toolchain, env)) === hashInputs(inputs)) {
      keepInCache(cache, inputs, addon);
      takeFromCache(cache, inputs, target);
      log(`built ${join(target, ADDON)} (${megabytes(statSync(addon).size)})`);
      return;
    }
    log("the sources changed while they were compiled");
  }
  throw new BuildError("build-failed", "llama-native: the addon was not built, because its sources keep changing.");
}

/**
 * @param {{ cache: string, key: string, toolchain: Toolchain, env: NodeJS.ProcessEnv }} place
 * @param {BuildOptions} options
 * @param {string} llamaDir
 * @param {import("./build-inputs.mjs").BuildInputs} inputs
 */
async function compile({ cache, key, toolchain, env }, { reporter, backend, plan, ...options }, llamaDir, inputs) {
  const logPath = join(cache, "logs", `${key}.log`);
  const decision = options.jobs === undefined ? decideJobs(env, backend) : { jobs: options.jobs, reason: "--jobs" };
  const what = plan === undefined ? "" : ` for ${backend} (${plan.toolkit})`;
  reporter.say(`llama-native: building the addon${what} with ${toolchain.compiler.version}, ${describeJobs(decision)}`);
  const folder = { cache, key, fresh: options.force === true, generator: toolchain.generator };
  const cpuNamespace = shortHash(inputs.cpu);
  const portable = isPortable(env);
  const gpuSettings = plan?.settings ?? [];
  const settings = {
    nativeDir,
    backend,
    gpuSettings,
    llamaDir,
    portable,
    cpuNamespace,
    jobs: decision.jobs,
    logPath,
    env,
    reporter,
  };
  const make = (/** @type {Toolchain} */ tools) =>
    inBuildFolder(folder, (buildDir) =>
      runCmake({ ...settings, toolchain: tools, buildDir, verbose: options.verbose === true }),
    );
  const addon = await make(toolchain).catch((/** @type {unknown} */ error) => {
    const problem = ccacheProblem(error, toolchain);
    if (problem === null) throw error;
    reporter.say(`llama-native: building without ccache, which does not work here: ${problem}`);
    return make({ ...toolchain, ccache: null });
  });
  checkSize(addon, backend, logPath);
  const loaded = await checkLoads(addon, { backend, logPath });
  if ("unloaded" in loaded) reporter.say(`llama-native: not loaded, as there is no driver here: ${loaded.unloaded}`);
  return addon;
}

/** ccache fails every compilation where its own folder cannot be written. @param {unknown} error @param {Toolchain} toolchain */
function ccacheProblem(error, { ccache }) {
  if (ccache === null || !(error instanceof BuildError)) return null;
  return /ccache: error: (.*)/.exec(error.message)?.[1] ?? null;
}

/**
 * The limit is on what everyone installs; kernels for GPUs take what they take.
 * @param {string} addon
 * @param {import("./settings.mjs").Backend} backend
 * @param {string} logPath
 */
function checkSize(addon, backend, logPath) {
  const size = statSync(addon, { throwIfNoEntry: false })?.size;
  if (size !== undefined && (size <= MAX_ADDON_BYTES || backend !== "cpu")) return;
  const problem =
    size === undefined
      ? `the build left no ${addon}; its output is in ${logPath}`
      : `the addon has ${megabytes(size)}, more than the ${megabytes(MAX_ADDON_BYTES)} it may take.`;
  throw new BuildError("build-failed", `llama-native: ${problem}`, { logPath });
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${(bytes / 1024 ** 2).toFixed(1)} MB`;
}
