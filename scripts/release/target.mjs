// The platform that a package is for: this one, or another that a compiler here builds for.

import { BuildError } from "../lib/errors.mjs";
import { thisPlatform } from "../lib/prebuilt.mjs";
import { zigTools } from "./zig.mjs";

/**
 * @typedef {object} Cross
 * @property {import("../lib/prebuilt.mjs").Platform} platform
 * @property {string} system as CMake names it
 * @property {string} processor the same
 * @property {string} [tools] what the names of GCC for it begin with, in Debian and Fedora
 * @property {string} zig as Zig names it, with the oldest glibc that Node itself runs on
 */

/** Platforms by the names that --target takes. @type {Record<string, Cross>} */
const CROSS = {
  "linux-x64": {
    platform: { os: "linux", arch: "x64", libc: "glibc" },
    ...{ system: "Linux", processor: "x86_64", tools: "x86_64-linux-gnu-", zig: "x86_64-linux-gnu.2.28" },
  },
  "linux-arm64": {
    platform: { os: "linux", arch: "arm64", libc: "glibc" },
    ...{ system: "Linux", processor: "aarch64", tools: "aarch64-linux-gnu-", zig: "aarch64-linux-gnu.2.28" },
  },
  "linux-arm64-musl": {
    platform: { os: "linux", arch: "arm64", libc: "musl" },
    ...{ system: "Linux", processor: "aarch64", zig: "aarch64-linux-musl" },
  },
  "linux-x64-musl": {
    platform: { os: "linux", arch: "x64", libc: "musl" },
    ...{ system: "Linux", processor: "x86_64", zig: "x86_64-linux-musl" },
  },
  "win32-x64": {
    platform: { os: "win32", arch: "x64", libc: null },
    ...{ system: "Windows", processor: "AMD64", zig: "x86_64-windows-gnu" },
  },
};

/**
 * @typedef {object} Target
 * @property {import("../lib/prebuilt.mjs").Platform} platform
 * @property {NodeJS.ProcessEnv} env in which its compilers are found
 * @property {string[]} settings for CMake
 * @property {boolean} isForeign
 *
 * @typedef {object} Choice
 * @property {boolean} [zig] Zig's compiler, also where another would serve
 * @property {import("../lib/prebuilt.mjs").Platform} [here]
 *
 * @param {string | undefined} name
 * @param {NodeJS.ProcessEnv} env
 * @param {Choice} [choice]
 * @returns {Target}
 */
export function readTarget(name, env, { zig = false, here = thisPlatform() } = {}) {
  const own = nameOf(here);
  if (!zig && (name === undefined || name === own)) return { platform: here, env, settings: [], isForeign: false };
  const cross = crossOf(name ?? own, here);
  const tools = toolsFor(cross, zig, env);
  return {
    platform: cross.platform,
    env: { ...env, CC: tools.cCompiler, CXX: tools.compiler },
    settings: [
      ...[`-DCMAKE_SYSTEM_NAME=${cross.system}`, `-DCMAKE_SYSTEM_PROCESSOR=${cross.processor}`],
      ...tools.settings,
    ],
    isForeign: nameOf(cross.platform) !== own,
  };
}

/** @param {string} name @param {import("../lib/prebuilt.mjs").Platform} here */
function crossOf(name, { os, libc }) {
  const cross = os === "linux" && libc === "glibc" && Object.hasOwn(CROSS, name) ? CROSS[name] : undefined;
  if (cross !== undefined) return cross;
  const names = Object.keys(CROSS).join(", ");
  const message = `llama-native: Expected one of ${names} for --target, on Linux with glibc, but received "${name}"`;
  throw new BuildError("build-failed", message);
}

/** @param {import("../lib/prebuilt.mjs").Platform} platform */
function nameOf({ os, arch, libc }) {
  return `${os}-${arch}${libc === "musl" ? "-musl" : ""}`;
}

/** @param {Cross} cross @param {boolean} wantsZig @param {NodeJS.ProcessEnv} env */
function toolsFor({ tools, zig }, wantsZig, env) {
  if (wantsZig || tools === undefined) return zigTools(zig, env);
  return { cCompiler: env.CC || `${tools}gcc`, compiler: env.CXX || `${tools}g++`, settings: [] };
}
