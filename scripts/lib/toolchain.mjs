// Which build tools this machine has.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { compilerNames, isTooOld, withPlainCompilers } from "./compilers.mjs";
import { findExecutable } from "./executables.mjs";

/** What native/CMakeLists.txt asks for. */
export const MIN_CMAKE = { major: 3, minor: 20 };
/** The first that knows a Visual Studio, by the major version of that. @type {Record<string, typeof MIN_CMAKE>} */
const MIN_CMAKE_FOR = { 17: { major: 3, minor: 21 }, 18: { major: 4, minor: 2 } };

/**
 * @typedef {object} Tool
 * @property {string} path
 * @property {string} version the line by which the tool names itself
 *
 * @typedef {object} Toolchain
 * @property {Tool} cmake
 * @property {Tool} compiler the C++ compiler; on Windows Visual Studio, which CMake finds by itself
 * @property {string | null} cCompiler null on Windows
 * @property {"Ninja" | "Unix Makefiles" | null} generator null: CMake's default (Visual Studio)
 * @property {string | null} toolset of Visual Studio's, where it is not its usual one; null on other systems
 * @property {string | null} ccache
 *
 * @typedef {"cmake" | "cmake-too-old" | "compiler" | "compiler-too-old" | "make"} MissingTool
 * @typedef {{ missing: MissingTool[], compiler: Tool | null, minCmake?: typeof MIN_CMAKE }} Lack `compiler`: the one that is
 * there, too old or not
 */

/**
 * What a build needs of Visual Studio. For ARM ggml takes no compiler but Clang.
 * @param {string} arch
 */
export function visualStudioComponents(arch) {
  const names = arch === "arm64" ? ["Tools.ARM64", "Llvm.Clang", "Llvm.ClangToolset"] : ["Tools.x86.x64"];
  return names.map((name) => `Microsoft.VisualStudio.Component.VC.${name}`);
}

/**
 * @param {NodeJS.ProcessEnv} [env]
 * @param {{ platform: NodeJS.Platform, arch: string }} [machine]
 * @returns {{ toolchain: Toolchain } | Lack}
 */
export function detectToolchain(env = process.env, { platform, arch } = process) {
  env = withPlainCompilers(env, platform);
  const isWindows = platform === "win32";
  /** @type {MissingTool[]} */
  const missing = [];
  const cmake = findCmake(env);
  const compilers = isWindows ? findVisualStudio(env, arch) : findCompilers(env);
  const minCmake = cmakeFor(compilers?.compiler.version ?? "");
  if (cmake === null) missing.push("cmake");
  else if (!isRecent(cmake.version, minCmake)) missing.push("cmake-too-old");
  if (compilers === null) missing.push("compiler");
  else if (isTooOld(compilers.compiler.version)) missing.push("compiler-too-old");
  const generator = isWindows ? null : findGenerator(env);
  if (generator === undefined) missing.push("make");
  if (missing.length > 0 || cmake === null || compilers === null || generator === undefined)
    return { missing, compiler: compilers?.compiler ?? null, minCmake };
  const toolset = isWindows && arch === "arm64" ? "ClangCL" : null;
  return { toolchain: { cmake, ...compilers, generator, toolset, ccache: findExecutable("ccache", env) } };
}

/** @param {NodeJS.ProcessEnv} env */
function findCmake(env) {
  const path = findExecutable(env.LLAMA_NATIVE_CMAKE ?? "cmake", env);
  return path === null ? null : askVersion(path, env);
}

/** @param {string} compiler its version */
function cmakeFor(compiler) {
  return MIN_CMAKE_FOR[/^Visual Studio (\d+)/.exec(compiler)?.[1] ?? ""] ?? MIN_CMAKE;
}

/** @param {string} version @param {typeof MIN_CMAKE} min */
function isRecent(version, min) {
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(version) ?? []).slice(1).map(Number);
  return major > min.major || (major === min.major && minor >= min.minor);
}

/**
 * CC and CXX decide where they are set, as everywhere. Else the first that is new enough, and where none is, the first.
 * @param {NodeJS.ProcessEnv} env
 */
function findCompilers(env) {
  // On macOS the compilers are stubs that open a dialog until the command line tools are installed.
  if (process.platform === "darwin" && !succeeds("/usr/bin/xcode-select", ["-p"], env)) return null;
  let first = null;
  for (const [cName, cxxName] of compilerNames()) {
    const cCompiler = findExecutable(env.CC || cName, env);
    const cxxPath = findExecutable(env.CXX || cxxName, env);
    const compiler = cCompiler === null || cxxPath === null ? null : askVersion(cxxPath, env);
    if (compiler === null) continue;
    if (!isTooOld(compiler.version)) return { compiler, cCompiler };
    first ??= { compiler, cCompiler };
    if (env.CXX) break; // all other names lead to the same
  }
  return first;
}

/** @param {NodeJS.ProcessEnv} env @param {string} arch */
function findVisualStudio(env, arch) {
  const programFiles = env["ProgramFiles(x86)"] ?? "C:\\Program Files (x86)";
  const vswhere = join(programFiles, "Microsoft Visual Studio", "Installer", "vswhere.exe");
  const query = ["-latest", "-products", "*", "-requires", ...visualStudioComponents(arch)];
  const path = firstLine(vswhere, [...query, "-property", "installationPath"], env);
  const version = firstLine(vswhere, [...query, "-property", "installationVersion"], env);
  // In a Visual Studio's own command prompt cmake-js takes no other.
  if (path && env.VCINSTALLDIR && env.VSCMD_VER) {
    const compiler = { path: join(env.VCINSTALLDIR, ".."), version: `Visual Studio ${env.VSCMD_VER}` };
    return { compiler, cCompiler: null };
  }
  return path && version ? { compiler: { path, version: `Visual Studio ${version}` }, cCompiler: null } : null;
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {"Ninja" | "Unix Makefiles" | undefined} undefined where no program can drive a build
 */
function findGenerator(env) {
  if (findExecutable("ninja", env) !== null) return "Ninja";
  return findExecutable("make", env) === null ? undefined : "Unix Makefiles";
}

/**
 * @param {string} path
 * @param {NodeJS.ProcessEnv} env
 * @returns {Tool | null} null where the tool does not run
 */
export function askVersion(path, env) {
  const version = firstLine(path, ["--version"], env);
  return version ? { path, version } : null;
}

/** A tool that does not tell its version in this time, as on a network drive that hangs, is none. */
const longestAnswerMs = 20_000;

/**
 * @param {string} program
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
function firstLine(program, args, env) {
  try {
    const output = execFileSync(program, args, {
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: longestAnswerMs,
    });
    return output.split("\n")[0]?.trim() ?? null;
  } catch {
    return null; // the caller says what is missing
  }
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
function succeeds(program, args, env) {
  return firstLine(program, args, env) !== null;
}
