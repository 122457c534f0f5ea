// C++ compilers by what they say of themselves, and which of them are new enough.

import { basename, join } from "node:path";
import { findExecutable } from "./executables.mjs";
import { readIfThere } from "./files.mjs";

/**
 * @typedef {object} HostCompiler
 * @property {"gcc" | "clang" | "msvc" | "unknown"} name
 * @property {number} major
 */

/**
 * llama.cpp is written in C++17 and uses <filesystem>, which GCC before 9 has in a library of its own that llama.cpp does not
 * link. Apple counts Clang's versions in its own way; its 11 came with the first macOS that has <filesystem>.
 */
export const MIN_COMPILERS = { gcc: 9, clang: 7, apple: 11 };
const NEWEST_LOOKED_FOR = { gcc: 20, clang: 30 };

/**
 * The environment with nothing but compilers in CC and CXX, which may be commands, as Make and CMake take them: ccache before the
 * compiler, which is used in any case, and options behind it, which CMake takes from elsewhere. Other launchers stay where they
 * are, and so no program is found: what they compile with -march=native they take for the same on every CPU.
 * @param {NodeJS.ProcessEnv} env
 * @param {NodeJS.Platform} [platform]
 * @returns {NodeJS.ProcessEnv}
 */
export function withPlainCompilers(env, platform = process.platform) {
  if (platform === "win32") return env; // where Visual Studio asks for neither
  const plain = { ...env };
  for (const [name, flags] of /** @type {const} */ ([
    ["CC", "CFLAGS"],
    ["CXX", "CXXFLAGS"],
  ])) {
    const words = (env[name] ?? "").split(/\s+/).filter((word) => word !== "");
    if (words.length < 2 || findExecutable(env[name] ?? "", env) !== null) continue;
    if (basename(words[0] ?? "") === "ccache") words.shift();
    const [compiler, ...options] = words;
    if (options[0]?.startsWith("-") === false) continue;
    plain[name] = compiler;
    if (options.length > 0) plain[flags] = [...options, env[flags] ?? ""].join(" ").trim();
  }
  return plain;
}

/** A compiler by the line with which it names itself. @param {string} version @returns {HostCompiler} */
export function readCompiler(version) {
  const major = Number(/(\d+)\.\d+(?:\.\d+)?/.exec(version.replace(/\(.*?\)/, ""))?.[1] ?? 0);
  if (/clang/i.test(version)) return { name: "clang", major };
  if (/visual studio/i.test(version)) return { name: "msvc", major };
  return { name: /(^|[^a-z])(gcc|g\+\+|c\+\+|cc)([^a-z]|$)/i.test(version) ? "gcc" : "unknown", major };
}

/**
 * `_MSC_VER` of the compiler that a Visual Studio uses by default, as headers ask for it: 1939 of its tools 14.39.
 * @param {string} installation folder
 * @returns {number | null} null where its files do not tell
 */
export function readMscVersion(installation) {
  const path = join(installation, "VC", "Auxiliary", "Build", "Microsoft.VCToolsVersion.default.txt");
  const minor = /14\.(\d\d)/.exec(readIfThere(path))?.[1];
  return minor === undefined ? null : 1900 + Number(minor);
}

/** Compilers that do not say what they are get a chance. @param {string} version */
export function isTooOld(version) {
  const { name, major } = readCompiler(version);
  if (major === 0) return false;
  if (name === "clang") return major < (/^Apple/.test(version) ? MIN_COMPILERS.apple : MIN_COMPILERS.clang);
  return name === "gcc" && major < MIN_COMPILERS.gcc;
}

/**
 * Pairs of names that compilers for C and C++ have: the usual ones, then those of one version, the newest first, by which
 * systems have newer ones beside their own.
 * @returns {[c: string, cxx: string][]}
 */
export function compilerNames() {
  const versions = (/** @type {number} */ newest, /** @type {number} */ oldest) =>
    Array.from({ length: newest - oldest + 1 }, (_, index) => newest - index);
  return [
    ["cc", "c++"],
    ["gcc", "g++"],
    ["clang", "clang++"],
    ...versions(NEWEST_LOOKED_FOR.gcc, MIN_COMPILERS.gcc).map(named("gcc", "g++")),
    ...versions(NEWEST_LOOKED_FOR.clang, MIN_COMPILERS.clang).map(named("clang", "clang++")),
  ];
}

/** @param {string} c @param {string} cxx @returns {(version: number) => [string, string]} */
function named(c, cxx) {
  return (version) => [`${c}-${version}`, `${cxx}-${version}`];
}
