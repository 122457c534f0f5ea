// Everything the finished addon depends on, as one record. A build is reused exactly while this record is unchanged.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join } from "node:path";
import { cmakeJsVersion } from "./libraries.mjs";
import { nativeDir, packageDir } from "./paths.mjs";
import { LLAMA_CPP_VERSION } from "./pins.mjs";
import { LLAMA_CPP_PATHS } from "./source-tree.mjs";

/**
 * @typedef {object} BuildInputs
 * @property {string} backend
 * @property {string} llamaCpp version, and fingerprint where the sources are the user's own
 * @property {string} target platform and architecture
 * @property {string} cpu the CPU whose instruction set is compiled for, or "portable"
 * @property {string} instructionSets what compiled code may use of that CPU, by the kernel's names: the library loads the
 *   addon only where all are present; empty where it is built for any CPU or they cannot be read
 * @property {string} sources hash of this package's own C++ and CMake files
 * @property {string} packages versions of the packages that take part in the build
 * @property {string} flags options given by the user
 * @property {string | null} gpu settings for a GPU's backend, and its toolkit; null where any will do
 * @property {string | null} tools compiler and CMake; null where they are not installed
 */

/**
 * @param {{ backend: string, plan?: import("./gpu/choose.mjs").GpuPlan | null }} what `plan` is null where any toolkit will do
 * @param {import("./toolchain.mjs").Toolchain | null} toolchain
 * @param {NodeJS.ProcessEnv} env
 * @returns {BuildInputs}
 */
export function collectInputs({ backend, plan }, toolchain, env) {
  return {
    backend,
    llamaCpp: env.LLAMA_NATIVE_SOURCE_DIR
      ? `${LLAMA_CPP_VERSION} ${fingerprint(env.LLAMA_NATIVE_SOURCE_DIR)}`
      : LLAMA_CPP_VERSION,
    target: `${process.platform}-${process.arch}`,
    cpu: isPortable(env) ? "portable" : describeCpu(),
    instructionSets: isPortable(env) ? "" : compiledFor(instructionSets()),
    sources: hashContents(nativeDir),
    packages: [`cmake-js@${cmakeJsVersion}`, ...["node-addon-api", "node-api-headers"].map(packageVersion)].join(" "),
    flags: ["LLAMA_NATIVE_CMAKE_ARGS", "CFLAGS", "CXXFLAGS", "LDFLAGS"].map((name) => env[name] ?? "").join("|"),
    gpu: plan === undefined ? "" : plan === null ? null : [plan.toolkit, ...plan.settings].join("|"),
    tools: toolchain === null ? null : `${toolchain.compiler.version}, ${toolchain.cmake.version}`,
  };
}

/** Whether to build for any CPU of the architecture, as releases are. @param {NodeJS.ProcessEnv} env */
export function isPortable(env) {
  return env.LLAMA_NATIVE_PORTABLE === "1";
}

/** @param {BuildInputs} inputs */
export function hashInputs(inputs) {
  return sha256(JSON.stringify(inputs));
}

/**
 * Whether an addon made from `made` serves where `wanted` is asked for. A machine without build tools cannot tell their
 * versions and takes the addon as it is.
 * @param {BuildInputs | undefined} made
 * @param {BuildInputs} wanted
 */
export function sameInputs(made, wanted) {
  if (made === undefined) return false;
  const names = /** @type {(keyof BuildInputs)[]} */ (Object.keys(wanted));
  return names.every((name) => made[name] === wanted[name] || wanted[name] === null);
}

function describeCpu() {
  const model = cpus()[0]?.model ?? "unknown CPU";
  return `${model} ${sha256(instructionSets()).slice(0, 16)}`;
}

/** The kernel's list of instruction sets: one CPU model differs between virtual machines. */
function instructionSets() {
  if (process.platform !== "linux") return "";
  const match = /^(?:flags|Features|isa)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"));
  return match?.[1] ?? "";
}

/**
 * Of the kernel's list, what compilers and ggml make use of; the rest are a system's business, and differ between machines
 * that run the same code.
 * @param {string} list
 */
function compiledFor(list) {
  // Of the architecture's own: x64's smep, which no program uses, looks like one of arm64's.
  const used =
    process.arch === "arm64"
      ? /^(?:asimd\w*|fphp|sve\w*|sme\w*|i8mm|bf16|atomics|i?lrcpc)$/
      : /^(?:ssse3|sse4_[12]|avx\w*|fma4?|xop|f16c|bmi[12]|abm|popcnt|movbe|gfni|amx_\w+)$/;
  const names = list.split(/\s+/).filter((name) => used.test(name));
  return names.filter((name) => name !== "avx512_vp2intersect").join(" ");
}

/** @param {string} name */
function packageVersion(name) {
  // A package's own `exports` may hide package.json, so that it is looked up beside the folders Node would search.
  const require = createRequire(join(packageDir, "package.json"));
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return `${name}@${JSON.parse(readFileSync(join(folder, name, "package.json"), "utf8")).version}`;
    } catch {
      continue;
    }
  }
  return `${name}@none`;
}

/** @param {string} folder */
function hashContents(folder) {
  const hash = createHash("sha256");
  for (const file of listFiles(folder)) {
    hash.update(`${file}\0`);
    hash.update(readFileSync(join(folder, file)));
  }
  return hash.digest("hex");
}

/** Sizes and times stand for contents: a tree the user works on is too large to read at every install. @param {string} dir */
function fingerprint(dir) {
  const hash = createHash("sha256");
  for (const path of LLAMA_CPP_PATHS) {
    for (const file of listFiles(join(dir, path))) {
      const { size, mtimeMs } = statSync(join(dir, path, file));
      hash.update(`${path}/${file}\0${size}\0${mtimeMs}\0`);
    }
  }
  return `${dir} ${hash.digest("hex")}`;
}

/** Sorted paths with `/`, below `folder`; none where it is missing; build results are left out. @param {string} folder */
function listFiles(folder) {
  /** @type {string[]} */
  const files = [];
  /** @param {string} prefix */
  const visit = (prefix) => {
    const entries = readdirSync(join(folder, prefix), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
      if (entry.isDirectory()) {
        if (path !== "dist" && path !== "build") visit(path);
      } else if (entry.isFile()) files.push(path);
    }
  };
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats?.isDirectory()) visit("");
  else if (stats?.isFile()) return [""];
  return files;
}

/** @param {string} text */
function sha256(text) {
  return createHash("sha256").update(text).digest("hex");
}
