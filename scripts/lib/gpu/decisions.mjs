// What each GPU backend has or lacks on this machine, for builds and for `doctor`.

import { readCompiler, readMscVersion } from "../compilers.mjs";
import { findExecutable } from "../executables.mjs";
import { cacheDir } from "../paths.mjs";
import { askVersion, detectToolchain } from "../toolchain.mjs";
import { decideAll } from "./choose.mjs";
import { gatherGpuFacts } from "./facts.mjs";

/** @typedef {import("./choose.mjs").GpuDecision} GpuDecision */

/**
 * One decision for each backend that this system can have, the best first.
 * @param {NodeJS.ProcessEnv} [env]
 * @param {boolean} [forRelease] whether to build for any machine's GPUs
 * @returns {GpuDecision[]}
 */
export function decideHere(env = process.env, forRelease = false) {
  return decideAll(gatherGpuFacts(env, cacheDir(env)), findTools(env), forRelease);
}

/** @param {NodeJS.ProcessEnv} env @returns {import("./choose.mjs").BuildTools} */
function findTools(env) {
  const found = detectToolchain(env);
  const { cmake, compiler } = "toolchain" in found ? found.toolchain : { cmake: null, compiler: found.compiler };
  const host = namedHostCompiler(env) ?? compiler;
  const described = readCompiler(host?.version ?? "");
  return {
    compiler: described,
    compilerPath: host?.path ?? null,
    mscVersion: described.name === "msvc" && host !== null ? readMscVersion(host.path) : null,
    cmake: /\d+(\.\d+)+/.exec(cmake?.version ?? "")?.[0] ?? null,
  };
}

/** What CMake lets nvcc run too, where it is set. @param {NodeJS.ProcessEnv} env */
function namedHostCompiler(env) {
  const path = env.CUDAHOSTCXX ? findExecutable(env.CUDAHOSTCXX, env) : null;
  return path === null ? null : askVersion(path, env);
}

/** @param {GpuDecision} decision */
export function stateOf({ plan, hasDevice }) {
  if (plan === null) return "cannot be built";
  return hasDevice ? "can be built" : "can be built, for another machine";
}

/** One line. @param {GpuDecision} decision */
export function describeDecision(decision) {
  const { backend, reason, advice } = decision;
  return `${backend}: ${stateOf(decision)}: ${reason}${advice === null ? "" : `; to change that, ${advice}`}`;
}
