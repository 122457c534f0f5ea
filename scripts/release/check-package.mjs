// Looks for what would make a platform's package useless, or a nuisance, on another machine than the one that built it.

import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { readJson } from "../lib/files.mjs";
import { checkRuns, lacksDriver } from "../lib/load-check.mjs";
import { cacheDir, packageDir } from "../lib/paths.mjs";
import { thisPlatform } from "../lib/prebuilt.mjs";
import { compareVersions, inspectBinary, newestVersion } from "./binaries.mjs";
import { PLATFORMS } from "./platforms.mjs";

/** What a platform's package may take on disk, so that with llama-native itself and the headers an install stays within 30 MB. */
export const MAX_CPU_BYTES = 24.4e6;
const BINARY = /\.(?:node|so|dylib|dll)$/;

/** Libraries that every system has, or that come with a GPU's driver or toolkit. @type {Record<string, RegExp[]>} */
const ALLOWED = {
  linux: [/^lib(?:c|m|dl|rt|pthread)\.so\.\d$/, /^ld-linux-[\w-]+\.so\.\d$/],
  musl: [/^libc\.musl-\w+\.so\.1$/, /^libc\.so$/], // musl is found by any name that begins with "libc."
  darwin: [/^\/usr\/lib\/lib(?:System\.B|c\+\+\.1|objc\.A)\.dylib$/, /^\/System\/Library\/Frameworks\//],
  win32: [/^(?:kernel32|advapi32|user32|dbghelp|ws2_32|bcrypt|node)\.(?:dll|exe)$/i, /^api-ms-win-[\w-]+\.dll$/i],
  vulkan: [/^libvulkan\.so\.1$/, /^vulkan-1\.dll$/i],
  cuda: [
    /^lib(?:cuda|cudart|cublas|cublasLt)\.so\.\d+$/,
    /^(?:nvcuda|cudart64_\d+|cublas64_\d+|cublasLt64_\d+)\.dll$/i,
  ],
  hip: [/^lib(?:amdhip64|hipblas|rocblas)\.so\.\d+$/],
};

/** Readelf's words for the machines of a package. @type {Record<string, string>} */
const MACHINES = { x64: "Advanced Micro Devices X86-64", arm64: "AArch64" };

/**
 * @param {string} folder
 * @param {{ maxGlibc?: string | undefined, maxMacos?: string | undefined }} [limits]
 * @returns {Promise<{ lines: string[], problems: string[] }>} what it is, and what is wrong with it
 */
export async function checkPackage(folder, { maxGlibc, maxMacos } = {}) {
  const { backend, variants, target, libc } = readJson(join(folder, "build.json"));
  const files = readdirSync(folder).sort();
  const binaries = files.filter((file) => BINARY.test(file));
  const bytes = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  const os = targetOs(target);
  const needs = binaries.map((file) => ({ file, ...inspectBinary(join(folder, file), os) }));
  const versions = needs.flatMap((each) => each.versions);
  const glibc = newestVersion(versions, "GLIBC");
  const macos = newestVersion(versions, "macOS");
  const foreign = isForeign({ target, libc });
  const failure = foreign ? null : await checkRuns(join(folder, "llama-native.node"));
  const isRefused = failure !== null && !lacksDriver(backend, failure);
  const problems = [
    ...sizeProblems(backend, bytes),
    ...needs.flatMap((each) => libraryProblems(each, files, [os, libc, backend])),
    ...needs.flatMap((each) => machineProblems(each, target)),
    ...binaries.flatMap((file) => pathProblems(join(folder, file), file)),
    ...(isRefused ? [`it does not run here: ${failure}`] : []),
    ...versionProblems("glibc", glibc, maxGlibc),
    ...versionProblems("macOS", macos, maxMacos),
  ];
  const lines = [
    `${folder}: ${(bytes / 1e6).toFixed(1)} MB in ${files.length} files`,
    `CPU variants: ${variants.length === 0 ? "none" : variants.join(" ")}`,
    `needs: ${[...new Set(needs.flatMap(({ libraries }) => libraries.filter((name) => !isOwn(name, files))))].join(" ")}`,
    ...(glibc === null ? [] : [`glibc ${glibc} or newer`]),
    ...(macos === null ? [] : [`macOS ${macos} or newer`]),
    ...(foreign ? [`not run: it is for ${target}${libc === "musl" ? " with musl" : ""}`] : []),
    ...(failure !== null && !isRefused ? [`not run: ${failure}`] : []),
  ];
  return { lines, problems };
}

/** @param {string} backend @param {number} bytes */
export function sizeProblems(backend, bytes) {
  if (backend !== "cpu" || bytes <= MAX_CPU_BYTES) return [];
  return [`expected at most ${MAX_CPU_BYTES / 1e6} MB, but its files have ${(bytes / 1e6).toFixed(1)} MB`];
}

/**
 * @param {string} what
 * @param {string | null} needed
 * @param {string | undefined} limit
 */
export function versionProblems(what, needed, limit) {
  if (needed === null || limit === undefined || compareVersions(needed, limit) <= 0) return [];
  return [`expected nothing newer than ${what} ${limit}, but it needs ${needed}`];
}

/**
 * @param {{ file: string, libraries: string[], searched: string[], versions: string[] }} needs
 * @param {string[]} files that lie beside it
 * @param {(string | null)[]} kinds the system, its C library and the backend
 */
export function libraryProblems({ file, libraries, searched, versions }, files, kinds) {
  const allowed = kinds.flatMap((kind) => ALLOWED[kind ?? ""] ?? []);
  const foreign = libraries.filter((name) => !isOwn(name, files) && !allowed.some((pattern) => pattern.test(name)));
  const folders = searched.filter((path) => path !== "$ORIGIN" && path !== "@loader_path");
  return [
    ...foreign.map((name) => `${file} needs ${name}, which a system may not have`),
    ...folders.map((path) => `${file} looks for libraries in ${path}`),
    ...versions.filter((name) => /^(?:GLIBCXX|CXXABI|GCC)_/.test(name)).map((name) => `${file} needs ${name}`),
  ];
}

/** @param {{ file: string, machine: string | null }} needs @param {string | undefined} target a package's */
export function machineProblems({ file, machine }, target) {
  const expected = MACHINES[target?.split("-")[1] ?? ""];
  if (machine === null || expected === undefined || machine === expected) return [];
  return [`${file} is for ${machine}, not ${expected}`];
}

/** @param {string | undefined} target a package's @returns {NodeJS.Platform} */
function targetOs(target) {
  return PLATFORMS.find(({ os, arch }) => target === `${os}-${arch}`)?.os ?? process.platform;
}

/** Whether a package is for another system than this. @param {{ target?: string, libc?: string | null }} what */
function isForeign({ target, libc }) {
  const here = thisPlatform();
  return target !== undefined && (target !== `${here.os}-${here.arch}` || libc !== here.libc);
}

/** @param {string} library @param {string[]} files */
function isOwn(library, files) {
  return files.some((file) => library === file || library === `@rpath/${file}`);
}

/** Folders of the machine that built it. @param {string} path @param {string} file */
function pathProblems(path, file) {
  const bytes = readFileSync(path);
  const folders = new Set([packageDir, cacheDir(), homedir()].flatMap((each) => [each, realIfThere(each)]));
  return [...folders].filter((each) => namesFolder(bytes, each)).map((each) => `${file} names the folder ${each}`);
}

/** What stands before a folder's name where a path does not begin there: "llama.cpp/ggml" before "/src". */
const WITHIN_PATH = /[\w.+~@%$\\/-]/;

/**
 * Whether a file names something in a folder, by a path that begins with it; on Windows with either of its separators.
 * @param {Buffer} bytes
 * @param {string} folder
 * @param {NodeJS.Platform} [platform]
 */
export function namesFolder(bytes, folder, platform = process.platform) {
  const separators = platform === "win32" ? ["\\", "/"] : ["/"];
  return separators.some((separator) => {
    const spelled = platform === "win32" ? folder.replaceAll(/[\\/]/g, separator) : folder;
    return beginsPath(bytes, spelled + separator);
  });
}

/** @param {Buffer} bytes @param {string} text */
function beginsPath(bytes, text) {
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    if (at === 0 || !WITHIN_PATH.test(bytes.toString("latin1", at - 1, at))) return true;
  }
  return false;
}

/** @param {string} path */
function realIfThere(path) {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
