// What this machine has for GPUs, gathered from files alone: no tool is run, no library is loaded. `choose.mjs` decides.

import { existsSync, realpathSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import { findExecutable } from "../executables.mjs";
import { listIfThere, readIfThere } from "../files.mjs";
import { findGpus } from "./pci.mjs";

/**
 * @typedef {object} CudaToolkit
 * @property {string} root
 * @property {string} nvcc
 * @property {string} version such as 12.4
 * @property {boolean} hasBlas
 * @property {boolean} canLinkDriver whether there is a libcuda, or a stub of it, to link with
 * @property {number | null} newestGcc the last major version of GCC that the toolkit accepts; null: it does not say
 * @property {number | null} clangBelow
 * @property {{ first: number, end: number } | null} msc the `_MSC_VER` that it accepts, without the end
 *
 * @typedef {object} VulkanTools
 * @property {string | null} glslc
 * @property {string | null} includeDir
 * @property {string | null} headers version such as 1.3.239
 * @property {string | null} loader the library to link with
 * @property {boolean} hasSpirvHeaders
 *
 * @typedef {object} RocmTools
 * @property {string} root
 * @property {string} version
 * @property {boolean} hasBlas
 *
 * @typedef {object} GpuFacts
 * @property {NodeJS.Platform} platform
 * @property {string} arch
 * @property {import("./pci.mjs").GpusFound} gpus
 * @property {string | null} nvidiaDriver version, "unknown" where it does not say; null without one
 * @property {boolean} amdDriver
 * @property {string[]} vulkanDrivers files that announce drivers of real devices; on Windows the loader that comes with them
 * @property {CudaToolkit | null} cuda
 * @property {VulkanTools} vulkan
 * @property {RocmTools | null} rocm
 * @property {number[]} gccVersions major versions that are on the PATH under their own names, such as g++-12
 * @property {number} freeDiskBytes where the build folders are
 */

const LIBRARY_FOLDERS = [
  "usr/lib/x86_64-linux-gnu",
  "usr/lib/aarch64-linux-gnu",
  "usr/lib64",
  "usr/lib",
  "lib64",
  "lib",
];
const WSL_LIBRARIES = "usr/lib/wsl/lib";

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {string} cache
 * @param {string} [root] in place of `/`, for tests
 * @param {NodeJS.Platform} [platform] the same
 * @returns {GpuFacts}
 */
export function gatherGpuFacts(env, cache, root = "/", platform = process.platform) {
  return {
    platform,
    arch: process.arch,
    gpus: findGpus(root),
    nvidiaDriver: nvidiaDriver(env, root, platform),
    amdDriver: existsSync(join(root, "dev/kfd")),
    vulkanDrivers: vulkanDrivers(env, root, platform),
    cuda: cudaToolkit(env, root),
    vulkan: vulkanTools(env, root),
    rocm: rocmTools(env, root),
    gccVersions: [9, 10, 11, 12, 13, 14, 15, 16].filter((version) => findExecutable(`g++-${version}`, env) !== null),
    freeDiskBytes: freeDisk(cache),
  };
}

/**
 * Where nothing tells, as on a drive of Windows that is not there, a build shall find out, which says what it could not write.
 * @param {string} folder that may not be there yet
 * @param {(path: string) => { bavail: number, bsize: number }} [ask]
 */
export function freeDisk(folder, ask = statfsSync) {
  let path = folder;
  while (!existsSync(path) && path !== dirname(path)) path = dirname(path);
  try {
    const { bavail, bsize } = ask(path);
    return bavail * bsize;
  } catch {
    return Infinity;
  }
}

/** A library of Windows' own folder, where drivers put theirs too. @param {string} name @param {NodeJS.ProcessEnv} env */
export function systemLibrary(name, env) {
  const path = join(env.SystemRoot ?? "C:\\Windows", "System32", name);
  return existsSync(path) ? path : null;
}

/** @param {NodeJS.ProcessEnv} env @param {string} root @param {NodeJS.Platform} platform */
function nvidiaDriver(env, root, platform) {
  if (platform === "win32") return systemLibrary("nvcuda.dll", env) === null ? null : "unknown";
  const version = /Kernel Module\s+(?:for \S+\s+)?(\d+(?:\.\d+)+)/.exec(
    readIfThere(join(root, "proc/driver/nvidia/version")),
  )?.[1];
  if (findLibrary("libcuda.so.1", root, [WSL_LIBRARIES]) === null) return null;
  return version ?? "unknown";
}

/** Drivers of real devices. @param {NodeJS.ProcessEnv} env @param {string} root @param {NodeJS.Platform} platform */
function vulkanDrivers(env, root, platform) {
  if (platform === "win32") {
    // Windows lists its drivers in the registry, which no file tells.
    const loader = systemLibrary("vulkan-1.dll", env);
    return loader === null ? [] : [loader];
  }
  return listVulkanDrivers(env, root).filter((path) => !/lvp_|swrast|llvmpipe/.test(path));
}

/**
 * Files that announce drivers to Vulkan, of devices that compute on the CPU too.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} [root] in place of `/`, for tests
 */
export function listVulkanDrivers(env, root = "/") {
  const named = (env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES ?? "").split(":").filter((path) => path !== "");
  const folders = ["usr/share/vulkan/icd.d", "usr/local/share/vulkan/icd.d", "etc/vulkan/icd.d"];
  const installed = folders.flatMap((folder) =>
    listIfThere(join(root, folder)).map((name) => join(root, folder, name)),
  );
  return (named.length > 0 ? named : installed).filter((path) => path.endsWith(".json"));
}

/** @param {NodeJS.ProcessEnv} env @param {string} root @returns {CudaToolkit | null} */
function cudaToolkit(env, root) {
  const nvcc = findNvcc(env, root);
  if (nvcc === null) return null;
  // It may be a link, and looks for its toolkit where it really lies.
  const home = dirname(dirname(realpathSync(nvcc)));
  // Debian's own package has it all in the system's folders.
  const include = [join(home, "include"), join(home, "targets/x86_64-linux/include"), join(root, "usr/include")].find(
    (folder) => existsSync(join(folder, "cuda.h")),
  );
  const number = Number(
    /#define CUDA_VERSION (\d+)/.exec(include === undefined ? "" : readIfThere(join(include, "cuda.h")))?.[1],
  );
  const hostConfig = include === undefined ? "" : readIfThere(join(include, "crt/host_config.h"));
  const libraries = ["lib64", "lib", "targets/x86_64-linux/lib", "lib/x64"].map((folder) => join(home, folder));
  return {
    root: home,
    nvcc,
    version: number > 0 ? `${Math.floor(number / 1000)}.${Math.floor((number % 1000) / 10)}` : "unknown",
    hasBlas: include !== undefined && existsSync(join(include, "cublas_v2.h")),
    canLinkDriver:
      libraries.some(
        (folder) => existsSync(join(folder, "stubs/libcuda.so")) || existsSync(join(folder, "cuda.lib")),
      ) || findLibrary("libcuda.so", root, [WSL_LIBRARIES]) !== null,
    newestGcc: numberIn(hostConfig, /gcc versions later than (\d+) are not supported/),
    clangBelow: numberIn(hostConfig, /clang version must be less than (\d+)/),
    msc: mscRange(hostConfig),
  };
}

/** The first of those that may be named and are there. @param {NodeJS.ProcessEnv} env @param {string} root */
function findNvcc(env, root) {
  const places = [
    ...(env.CUDACXX ? [env.CUDACXX] : []),
    ...(env.CUDA_PATH ? [join(env.CUDA_PATH, "bin", "nvcc")] : []),
    "nvcc",
    join(root, "usr/local/cuda/bin/nvcc"),
  ];
  for (const place of places) {
    const nvcc = findExecutable(place, env);
    if (nvcc !== null) return nvcc;
  }
  return null;
}

/** @param {string} hostConfig */
function mscRange(hostConfig) {
  const found = /_MSC_VER\s*<\s*(\d+)\s*\|\|\s*_MSC_VER\s*>=\s*(\d+)/.exec(hostConfig);
  return found === null ? null : { first: Number(found[1]), end: Number(found[2]) };
}

/** @param {NodeJS.ProcessEnv} env @param {string} root @returns {VulkanTools} */
function vulkanTools(env, root) {
  const sdk = env.VULKAN_SDK;
  const prefixes = [...(sdk ? [sdk] : []), join(root, "usr"), join(root, "usr/local")];
  const includeDir =
    prefixes
      .flatMap((prefix) => [join(prefix, "include"), join(prefix, "Include")])
      .find((folder) => existsSync(join(folder, "vulkan/vulkan_core.h"))) ?? null;
  const core = includeDir === null ? "" : readIfThere(join(includeDir, "vulkan/vulkan_core.h"));
  const patch = numberIn(core, /#define VK_HEADER_VERSION (\d+)/);
  const complete = /VK_HEADER_VERSION_COMPLETE VK_MAKE_API_VERSION\(0, (\d+), (\d+)/.exec(core);
  const config = ["share/cmake/SPIRV-Headers", "lib/cmake/SPIRV-Headers", "cmake/SPIRV-Headers"];
  return {
    glslc: (sdk ? findExecutable(join(sdk, "bin", "glslc"), env) : null) ?? findExecutable("glslc", env),
    includeDir,
    headers: patch === null ? null : `${complete?.[1] ?? 1}.${complete?.[2] ?? 0}.${patch}`,
    loader:
      process.platform === "win32"
        ? (prefixes.map((prefix) => join(prefix, "Lib", "vulkan-1.lib")).find((path) => existsSync(path)) ?? null)
        : ((sdk ? [join(sdk, "lib/libvulkan.so")].find((path) => existsSync(path)) : undefined) ??
          findLibrary("libvulkan.so", root)),
    hasSpirvHeaders: prefixes.some((prefix) => config.some((folder) => existsSync(join(prefix, folder)))),
  };
}

/** @param {NodeJS.ProcessEnv} env @param {string} root @returns {RocmTools | null} */
function rocmTools(env, root) {
  const hipcc = findExecutable("hipcc", env);
  const candidates = [env.ROCM_PATH, join(root, "opt/rocm"), hipcc === null ? undefined : dirname(dirname(hipcc))];
  for (const home of candidates) {
    if (home === undefined || !existsSync(join(home, "bin", "hipcc"))) continue;
    const include = join(home, "include");
    const version = rocmVersion(home, include) ?? "unknown";
    return { root: home, version, hasBlas: ["hipblas", "rocblas"].every((name) => existsSync(join(include, name))) };
  }
  return null;
}

/** By AMD's packages, or by its header where a distribution made them. @param {string} home @param {string} include */
function rocmVersion(home, include) {
  const own = /^\d+(\.\d+)*/.exec(readIfThere(join(home, ".info/version")))?.[0];
  if (own !== undefined) return own;
  const header = readIfThere(join(include, "hip/hip_version.h"));
  const [major, minor] = ["MAJOR", "MINOR"].map((part) => numberIn(header, new RegExp(`HIP_VERSION_${part} (\\d+)`)));
  return major == null || minor == null ? null : `${major}.${minor}`;
}

/**
 * @param {string} name
 * @param {string} [root] in place of `/`, for tests
 * @param {string[]} [more] folders
 */
export function findLibrary(name, root = "/", more = []) {
  const paths = [...LIBRARY_FOLDERS, ...more].map((folder) => join(root, folder, name));
  return paths.find((path) => existsSync(path)) ?? null;
}

/** @param {string} text @param {RegExp} pattern */
function numberIn(text, pattern) {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? null : Number(found);
}
