// Packages with finished addons: llama-native-<platform>-<arch>[-musl] for the CPU, ...-<backend> for a GPU. The published
// llama-native names those for the CPU as its optional dependencies, so that npm installs the one for this machine. The library
// finds them by src/native/prebuilt.ts, which must agree with this.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ADDON, hasAddon } from "./addon-store.mjs";
import { readJson } from "./files.mjs";
import { usesMusl } from "./c-library.mjs";
import { checkRuns } from "./load-check.mjs";
import { clearNotBuilt } from "./not-built.mjs";
import { distDir, packageDir } from "./paths.mjs";
import { PACKAGE_VERSION } from "./pins.mjs";

/**
 * @typedef {import("./settings.mjs").Backend} Backend
 *
 * @typedef {object} Platform
 * @property {NodeJS.Platform} os
 * @property {string} arch as process.arch
 * @property {"glibc" | "musl" | null} libc null where systems have but one
 */

/** @param {Platform} platform @param {Backend} backend */
export function prebuiltName({ os, arch, libc }, backend) {
  return `llama-native-${os}-${arch}${libc === "musl" ? "-musl" : ""}${backend === "cpu" ? "" : `-${backend}`}`;
}

/** What this Node runs on. @returns {Platform} */
export function thisPlatform() {
  const libc = process.platform !== "linux" ? null : usesMusl(process.execPath) ? "musl" : "glibc";
  return { os: process.platform, arch: process.arch, libc };
}

/**
 * Whether a package's addon serves, so that none is to be built; says so, or why not.
 * @param {Backend} backend
 * @param {{ reporter: import("./reporter.mjs").Reporter, env?: NodeJS.ProcessEnv }} options
 */
export async function takePrebuilt(backend, { reporter, env = process.env }) {
  if (asksForSource(env) || hasAddon(join(distDir(env), backend))) return false;
  const found = await findPrebuilt(backend);
  if (found === null) return false;
  if ("problem" in found) {
    reporter.say(`llama-native: the package ${found.name} does not serve here: ${found.problem}`);
    return false;
  }
  reporter.say(
    `llama-native: nothing to build for ${backend}: ${found.name} is used (LLAMA_NATIVE_FROM_SOURCE=1 builds all the same)`,
  );
  clearNotBuilt(distDir(env), backend);
  return true;
}

/** By name, or by settings that a finished addon cannot have. @param {NodeJS.ProcessEnv} env */
function asksForSource({ LLAMA_NATIVE_FROM_SOURCE, LLAMA_NATIVE_SOURCE_DIR, LLAMA_NATIVE_CMAKE_ARGS }) {
  return LLAMA_NATIVE_FROM_SOURCE === "1" || Boolean(LLAMA_NATIVE_SOURCE_DIR || LLAMA_NATIVE_CMAKE_ARGS);
}

/**
 * The package for a backend, where it is installed and works; that for a GPU where there is one too.
 * @param {Backend} backend
 * @param {string} [from] the folder whose packages count
 * @returns {Promise<{ name: string, path: string } | { name: string, problem: string } | null>} null where it is not installed
 */
export async function findPrebuilt(backend, from = packageDir) {
  const name = prebuiltName(thisPlatform(), backend);
  const manifest = resolveManifest(name, from);
  if (manifest === null) return null;
  const version = readJson(manifest)?.version;
  if (version !== PACKAGE_VERSION) {
    return { name, problem: `expected version ${PACKAGE_VERSION} of it but found ${version ?? "none"}` };
  }
  const path = join(dirname(manifest), ADDON);
  const problem = await checkRuns(path, backend !== "cpu");
  return problem === null ? { name, path } : { name, problem };
}

/** @param {string} name @param {string} from */
function resolveManifest(name, from) {
  try {
    return createRequire(join(from, "package.json")).resolve(`${name}/package.json`);
  } catch {
    return null; // not installed: another platform's, or left out
  }
}
