// What each GPU backend has or lacks on this machine, for builds and for `doctor`.

import { readCompiler } from "../compilers.mjs";
import { cacheDir } from "../paths.mjs";
import { detectToolchain } from "../toolchain.mjs";
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
  const found = detectToolchain(env);
  const compiler = readCompiler("toolchain" in found ? found.toolchain.compiler.version : "");
  return decideAll(gatherGpuFacts(env, cacheDir(env)), compiler, forRelease);
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
