// Runs the CMake build of `native/`. cmake-js composes the command lines (Node's headers come from node-api-headers,
// because native/package.json declares a Node-API version); they are run here, so that their output can be condensed.

import { createWriteStream, existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ADDON } from "./addon-store.mjs";
import { BuildError, messageOf } from "./errors.mjs";
import { BuildSystem } from "./libraries.mjs";
import { run } from "./run.mjs";

const require = createRequire(import.meta.url);

const TARGET = "llama_native_addon";
/** Lines of a failed build worth showing: compilers', linkers' and CMake's own. */
const ERROR_LINE = /(^|\s)(fatal error|error|FAILED|CMake Error|undefined reference|ld returned)\b|: error\b|^FAILED:/i;
const SHOWN_ERROR_LINES = 15;

/**
 * @typedef {object} CmakeBuild
 * @property {string} nativeDir
 * @property {string} buildDir
 * @property {string} llamaDir
 * @property {import("./toolchain.mjs").Toolchain} toolchain
 * @property {boolean} portable
 * @property {import("./settings.mjs").Backend} backend
 * @property {string[]} gpuSettings
 * @property {string} cpuNamespace keeps ccache's entries of different CPUs apart
 * @property {number} jobs
 * @property {string} logPath
 * @property {boolean} verbose
 * @property {NodeJS.ProcessEnv} env
 * @property {import("./reporter.mjs").Reporter} reporter
 * @property {NodeJS.Platform} [targetOs] that the addon is for, where it is not this one
 */

/**
 * @param {CmakeBuild} build
 * @returns {Promise<string>} the addon's path in the build folder
 */
export async function runCmake(build) {
  mkdirSync(build.buildDir, { recursive: true });
  const log = openLog(build.logPath);
  try {
    const system = createBuildSystem(build);
    const configure = await compose(() => system.getConfigureCommand(), build, log);
    await step([...configure, ...cmakeSettings(build)], "configuring", build, log);
    await step(await compose(() => system.getBuildCommand(), build, log), "building", build, log);
  } finally {
    await log.close();
  }
  return addonIn(build.buildDir, build.targetOs);
}

/**
 * Where a build has left the addon. cmake-js asks for a folder "Release", but on Windows for the build folder itself; Visual
 * Studio, which builds several configurations, adds a folder of this one's name there, Ninja does not.
 * @param {string} buildDir
 * @param {NodeJS.Platform} [platform]
 */
export function addonIn(buildDir, platform = process.platform) {
  const beside = join(buildDir, ADDON);
  const inFolder = join(buildDir, "Release", ADDON);
  return platform === "win32" && existsSync(beside) && !existsSync(inFolder) ? beside : inFolder;
}

/**
 * @typedef {object} Log
 * @property {(text: string) => void} write
 * @property {() => Promise<boolean>} close tells whether all of it was written; may be called again
 */

/** A log that cannot be written - a full disk, a folder of another user - ends no build. @param {string} path @returns {Log} */
function openLog(path) {
  let whole = true;
  const fail = () => void (whole = false);
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch {
    fail();
  }
  const stream = whole ? createWriteStream(path).on("error", fail) : null;
  /** @type {Promise<boolean> | undefined} */
  let closed;
  return {
    write: (text) => void (whole && stream?.write(text)),
    close: () =>
      (closed ??= new Promise((resolve) => (stream === null ? resolve(false) : stream.end(() => resolve(whole))))),
  };
}

/** @param {CmakeBuild} build */
function createBuildSystem({ nativeDir, buildDir, toolchain, jobs }) {
  return new BuildSystem({
    directory: nativeDir,
    out: buildDir,
    config: "Release",
    target: TARGET,
    parallel: String(jobs),
    cmakePath: toolchain.cmake.path,
    generator: toolchain.generator ?? undefined,
    cCompilerPath: toolchain.cCompiler ?? undefined,
    cppCompilerPath: toolchain.cCompiler === null ? undefined : toolchain.compiler.path,
    noLog: true,
  });
}

/** At blanks, but for those between two quotes, which are no part of an argument. @param {string} text */
function splitArguments(text) {
  const words = text.match(/(?:[^\s"']+|"[^"]*"|'[^']*'|["'])+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, (_, double, single) => double ?? single));
}

/**
 * What CMake is told besides what cmake-js does; the user's own arguments come last.
 * @param {Pick<CmakeBuild, "llamaDir" | "toolchain" | "portable" | "backend" | "gpuSettings" | "env">} build
 */
export function cmakeSettings({ llamaDir, toolchain, portable, backend, gpuSettings, env }) {
  const nodeAddonApi = dirname(require.resolve("node-addon-api"));
  const { ccache, toolset } = toolchain;
  const users = splitArguments(env.LLAMA_NATIVE_CMAKE_ARGS ?? "");
  const own = [
    ...(toolset === null ? [] : [`-T${toolset}`]),
    `-DLLAMA_NATIVE_LLAMA_DIR=${llamaDir}`,
    `-DLLAMA_NATIVE_NODE_ADDON_API_DIR=${nodeAddonApi}`,
    `-DLLAMA_NATIVE_PORTABLE=${portable ? "ON" : "OFF"}`,
    `-DLLAMA_NATIVE_BACKEND=${backend}`,
    ...gpuSettings,
    "-DCMAKE_BUILD_TYPE=Release",
    // cmake-js sets the flags of C++ alone and thereby hides CXXFLAGS.
    ...(env.CXXFLAGS ? [`-DCMAKE_CXX_FLAGS=-DBUILDING_NODE_EXTENSION ${env.CXXFLAGS}`] : []),
    // Said without a ccache too, since CMake remembers what an earlier run said.
    `-DCMAKE_C_COMPILER_LAUNCHER=${ccache ?? ""}`,
    `-DCMAKE_CXX_COMPILER_LAUNCHER=${ccache ?? ""}`,
    ...(backend === "cuda" ? [`-DCMAKE_CUDA_COMPILER_LAUNCHER=${ccache ?? ""}`] : []),
  ];
  // CMake takes one toolset, and no second that would go before it.
  const hasToolset = users.some(isToolset);
  return [...own.filter((arg) => !hasToolset || !isToolset(arg)), ...users];
}

/** @param {string} argument of CMake */
function isToolset(argument) {
  return argument.startsWith("-T");
}

/**
 * A command line of cmake-js, which looks for compilers on Windows, and says by an error of no kind that it finds none.
 * @param {() => Promise<string[]>} ask
 * @param {CmakeBuild} build
 * @param {Log} log
 */
async function compose(ask, { logPath }, log) {
  try {
    return await ask();
  } catch (error) {
    log.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    const kept = await whereKept(log, logPath);
    const message = `llama-native: the addon was not built, because cmake-js failed: ${messageOf(error)}; ${kept}`;
    throw new BuildError("build-failed", message, { logPath });
  }
}

/** @param {Log} log @param {string} path */
async function whereKept(log, path) {
  return (await log.close()) ? `the complete output is in ${path}` : `its log could not be written to ${path}`;
}

/**
 * @param {string[]} command
 * @param {string} what
 * @param {CmakeBuild} build
 * @param {Log} log
 */
async function step([program = "", ...args], what, build, log) {
  const { reporter, env, llamaDir, cpuNamespace, verbose, logPath } = build;
  log.write(`$ ${[program, ...args].join(" ")}\n`);
  /** @type {string[]} */
  const errors = [];
  const onLine = (/** @type {string} */ line) => {
    log.write(`${line}\n`);
    if (verbose) reporter.say(line);
    if (ERROR_LINE.test(line)) errors.push(line);
    const count = progressOf(line);
    if (count !== null) reporter.progress(count.done, count.total, what);
  };
  const { code, signal, output } = await run(program, args, {
    cwd: build.buildDir,
    onLine,
    env: {
      ...env,
      NINJA_STATUS: "[%f/%t] ",
      CCACHE_NAMESPACE: env.CCACHE_NAMESPACE ?? `llama-native-${cpuNamespace}`,
      // llama.cpp asks git for its version; without history of its own it must not report this project's.
      GIT_CEILING_DIRECTORIES: dirname(llamaDir),
    },
  });
  if (code === 0) return;
  const shown = (errors.length > 0 ? errors : output.trim().split("\n")).slice(-SHOWN_ERROR_LINES);
  const kept = await whereKept(log, logPath);
  throw new BuildError(
    "build-failed",
    [
      `llama-native: the addon was not built, because ${what} it failed (${signal ?? `code ${code}`}); ${kept}`,
      ...shown.map((line) => `  ${line}`),
    ].join("\n"),
    { logPath },
  );
}

/** Ninja counts steps, Make tells percent. @param {string} line */
function progressOf(line) {
  const ninja = /^\[(\d+)\/(\d+)\] /.exec(line);
  if (ninja !== null) return { done: Number(ninja[1]), total: Number(ninja[2]) };
  const make = /^\[ *(\d+)%\] /.exec(line);
  return make === null ? null : { done: Number(make[1]), total: 100 };
}
