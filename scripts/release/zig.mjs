// Zig's compiler for C and C++: Clang with the headers and the C library of every system that it knows, so that one machine
// builds for the others. https://ziglang.org

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { BuildError, messageOf } from "../lib/errors.mjs";
import { findExecutable } from "../lib/executables.mjs";
import { readIfThere, temporaryName } from "../lib/files.mjs";
import { cacheDir } from "../lib/paths.mjs";

/** @type {{ def_paths: { node_api_def: string } }} */
const headers = createRequire(import.meta.url)("node-api-headers");
/** Zig as its makers publish it for Python, for whom has none of this version. */
const WHEEL = "ziglang==0.17.1";
const VERSION = /^0\.17\./;
/** What CMake calls of it, each by a name of its own. */
const TOOLS = ["cc", "c++", "ar", "ranlib", "rc"];
/** Clang's names of ARM's instruction sets, which ggml's kernels are compiled with, in Zig's own words. */
const FOR_ARM = String.raw`for arg do
  shift
  case "$arg" in -march=armv*)
    arg=$(printf '%s' "$arg" | sed 's/^-march=armv8-a/-mcpu=generic+v8a/; s/^-march=armv\([89]\)\.\([0-9]\)-a/-mcpu=generic+v\1_\2a/; s/+fp16+/+fullfp16+/; s/+fp16$/+fullfp16/')
  esac
  set -- "$@" "$arg"
done
`;

/**
 * Programs that compile for another system.
 * @param {string} triple as Zig writes it, such as x86_64-linux-musl
 * @param {NodeJS.ProcessEnv} env
 * @returns {{ cCompiler: string, compiler: string, settings: string[] }} the compilers, and what else CMake has to know
 */
export function zigTools(triple, env) {
  const zig = findZig(env);
  const folder = join(cacheDir(env), "zig-tools", triple);
  mkdirSync(folder, { recursive: true });
  for (const tool of TOOLS) {
    const isCompiler = tool === "cc" || tool === "c++";
    const target = isCompiler ? ` -target ${triple}` : "";
    const translation = isCompiler && triple.startsWith("aarch64-") ? FOR_ARM : "";
    // ccache knows a compiler by its file's time, which so changes with Zig's version and else never.
    const text = `#!/bin/sh\n# ${zig.version}\n${translation}exec "${zig.path}" ${tool}${target} "$@"\n`;
    writeProgram(join(folder, tool), text);
  }
  const [ar, ranlib] = [join(folder, "ar"), join(folder, "ranlib")];
  return {
    cCompiler: join(folder, "cc"),
    compiler: join(folder, "c++"),
    settings: [
      ...["", "C_COMPILER_", "CXX_COMPILER_"].flatMap((of) => [
        `-DCMAKE_${of}AR=${ar}`,
        `-DCMAKE_${of}RANLIB=${ranlib}`,
      ]),
      `-DCMAKE_RC_COMPILER=${join(folder, "rc")}`,
      `-DLLAMA_NATIVE_NODE_DEF=${headers.def_paths.node_api_def}`,
    ],
  };
}

/** @param {string} path @param {string} text */
function writeProgram(path, text) {
  if (readIfThere(path) === text) return;
  const temporary = temporaryName(path);
  writeFileSync(temporary, text, { mode: 0o755 });
  renameSync(temporary, path);
}

/** @param {NodeJS.ProcessEnv} env @returns {{ path: string, version: string }} */
function findZig(env) {
  const own = findExecutable("zig", env);
  const version = own === null ? "" : execFileSync(own, ["version"], { encoding: "utf8" }).trim();
  if (own !== null && VERSION.test(version)) return { path: own, version };
  const folder = join(cacheDir(env), WHEEL.replace("==", "-"));
  if (!existsSync(folder)) installWheel(folder, env);
  return { path: join(folder, "ziglang", "zig"), version: WHEEL };
}

/** Appears as a whole, so that no other build finds a half of it. @param {string} folder @param {NodeJS.ProcessEnv} env */
function installWheel(folder, env) {
  const temporary = temporaryName(folder);
  try {
    const args = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", temporary, WHEEL];
    execFileSync("python3", args, { env, stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
    renameSync(temporary, folder);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (existsSync(folder)) return; // another build was faster
    const message = `llama-native: Expected Zig 0.17 on the PATH, or as Python's package ${WHEEL}, which could not be installed`;
    throw new BuildError("missing-tools", `${message}: ${messageOf(error)}`);
  }
}
