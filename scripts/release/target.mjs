// The platform that a package is for: this one, or another Linux that a cross compiler here builds for.

import { BuildError } from "../lib/errors.mjs";
import { thisPlatform } from "../lib/prebuilt.mjs";

/**
 * What tells a platform's compilers and CMake from others, as Debian and Fedora name them.
 * @type {Record<string, { arch: string, processor: string }>}
 */
const CROSS = {
  "linux-x64": { arch: "x64", processor: "x86_64" },
  "linux-arm64": { arch: "arm64", processor: "aarch64" },
};

/**
 * @typedef {object} Target
 * @property {import("../lib/prebuilt.mjs").Platform} platform
 * @property {NodeJS.ProcessEnv} env in which its compilers are found
 * @property {string[]} settings for CMake
 * @property {boolean} isForeign
 *
 * @param {string | undefined} name
 * @param {NodeJS.ProcessEnv} env
 * @param {import("../lib/prebuilt.mjs").Platform} [here]
 * @returns {Target}
 */
export function readTarget(name, env, here = thisPlatform()) {
  if (name === undefined || name === `${here.os}-${here.arch}`) {
    return { platform: here, env, settings: [], isForeign: false };
  }
  const isKnown = here.os === "linux" && here.libc === "glibc" && Object.hasOwn(CROSS, name);
  const cross = isKnown ? CROSS[name] : undefined;
  if (cross === undefined) {
    const names = Object.keys(CROSS).join(", ");
    const message = `llama-native: Expected one of ${names} for --target, on Linux with glibc, but received "${name}"`;
    throw new BuildError("build-failed", message);
  }
  const { arch, processor } = cross;
  const tools = `${processor}-linux-gnu-`;
  return {
    platform: { os: "linux", arch, libc: "glibc" },
    env: { ...env, CC: env.CC || `${tools}gcc`, CXX: env.CXX || `${tools}g++` },
    settings: ["-DCMAKE_SYSTEM_NAME=Linux", `-DCMAKE_SYSTEM_PROCESSOR=${processor}`],
    isForeign: true,
  };
}
