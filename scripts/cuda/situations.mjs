// What may be wrong on a machine that has an addon for CUDA, each made in a mount namespace of its own, in which the toolkit
// that the addon was built with is not there, unless it is said.

import { execFileSync } from "node:child_process";
import { copyFileSync, linkSync, mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { listIfThere } from "../lib/files.mjs";
import { packageDir } from "../lib/paths.mjs";
import { RUNTIME_LIBRARIES } from "./toolkit.mjs";

/**
 * @typedef {object} Situation
 * @property {string} name
 * @property {string} folder on the loader's path
 * @property {boolean} hasToolkit whether the toolkit is where it was when the addon was built
 * @property {NodeJS.ProcessEnv} env
 * @property {string} reason why CUDA is passed over
 * @property {string} advice how what to do about it begins
 */

/**
 * @param {string} work
 * @param {import("./toolkit.mjs").Toolkit} toolkit
 * @returns {Situation[]}
 */
export function makeSituations(work, toolkit) {
  const libraries = copyLibraries(toolkit, join(work, "libraries"));
  const nameOf = (/** @type {string} */ stem) => libraries.find((file) => file.startsWith(`${stem}.so.`)) ?? stem;
  const [cudart = "", cublas = "", cublasLt = ""] = RUNTIME_LIBRARIES.map(nameOf);
  let count = 0;
  /**
   * @param {string} name
   * @param {string[]} files of the toolkit that are on the loader's path
   * @param {string} reason
   * @param {string} advice
   * @param {(folder: string) => NodeJS.ProcessEnv} [standIn] puts something else there
   * @returns {Situation}
   */
  const situation = (name, files, reason, advice, standIn = () => ({})) => {
    const folder = join(work, "situations", String(count++));
    mkdirSync(folder, { recursive: true });
    for (const file of files) symlinkSync(join(work, "libraries", file), join(folder, file));
    return { name, folder, hasToolkit: false, env: standIn(folder), reason, advice };
  };
  const all = [cudart, cublas, cublasLt];
  const missing = (/** @type {string} */ library) => `the CUDA library ${library} is missing`;
  const [noDriver, install] = ["NVIDIA's driver is missing (libcuda.so.1)", "install NVIDIA's driver"];
  const runtime = "install the CUDA runtime it was built with, or put its folder into LD_LIBRARY_PATH";
  const check = "check that nvidia-smi lists";
  return [
    situation("no library of CUDA", [], missing(cudart), runtime),
    situation("no cuBLAS", [cudart], missing(cublas), runtime),
    situation("no cublasLt, which cuBLAS loads", [cudart, cublas], missing(cublasLt), runtime),
    situation(
      "a library named as CUDA's runtime, without its functions",
      [cublas, cublasLt],
      "its addon cannot be loaded: ",
      "run `npx llama-native build --gpu cuda`",
      (folder) => {
        // NVIDIA's libraries have versions of the same name as theirs, without which the loader refuses them at once.
        compile("stand-in-runtime.c", folder, cudart, ["-Wl,--default-symver", `-Wl,-soname,${cudart}`]);
        return {};
      },
    ),
    situation("all libraries on the loader's path, no driver", all, noDriver, install),
    { ...situation("the toolkit where it was, no driver", [], noDriver, install), hasToolkit: true },
    situation(
      "a driver that serves CUDA 12.0 (stand-in)",
      all,
      "NVIDIA's driver is too old",
      "install a newer",
      driver(12000, 0),
    ),
    situation("a driver, no GPU (stand-in)", all, "NVIDIA's driver finds no GPU", check, driver(20000, 100)),
    situation(
      "a driver that does not fit its kernel module (stand-in)",
      all,
      "NVIDIA's driver fails: system has unsupported display driver / cuda driver combination",
      check,
      driver(20000, 803),
    ),
    situation(
      "a GPU that tells nothing of itself (stand-in)",
      all,
      "NVIDIA's driver fails: unspecified launch failure",
      check,
      device(toolkit, { properties: "cudaErrorLaunchFailure" }),
    ),
    situation(
      "a GPU whose memory is taken (stand-in)",
      all,
      "the GPU has no memory left",
      "end the programs that take it",
      device(toolkit, { use: "cudaErrorMemoryAllocation" }),
    ),
    // The first two are the same of different versions of CUDA; with the last the driver is too old for intermediate code.
    ...["cudaErrorNoKernelImageForDevice", "cudaErrorInvalidDeviceFunction", "cudaErrorUnsupportedPtxVersion"].map(
      (kernels) =>
        situation(
          `a GPU that was not compiled for (stand-in, ${kernels})`,
          all,
          "its addon has no kernels for Stand-in (compute capability 8.6): ",
          "update its driver, or run `npx llama-native build --gpu cuda --force`",
          device(toolkit, { kernels }),
        ),
    ),
  ];
}

/**
 * Links by name would lead into the folder that is hidden, and copies are large: hard links where they can be.
 * @param {import("./toolkit.mjs").Toolkit} toolkit
 * @param {string} folder
 */
function copyLibraries(toolkit, folder) {
  mkdirSync(folder);
  const files = listIfThere(toolkit.libraries).filter((file) =>
    RUNTIME_LIBRARIES.includes(file.replace(/\.so\.\d+$/, "")),
  );
  for (const file of files) {
    const source = realpathSync(join(toolkit.libraries, file));
    try {
      linkSync(source, join(folder, file));
    } catch {
      copyFileSync(source, join(folder, file)); // another file system
    }
  }
  return files;
}

/** @param {number} version @param {number} result @returns {(folder: string) => NodeJS.ProcessEnv} */
function driver(version, result) {
  return (folder) => {
    compile("stand-in-driver.c", folder, "libcuda.so.1", [`-DVERSION=${version}`, `-DRESULT=${result}`]);
    return {};
  };
}

/**
 * @param {import("./toolkit.mjs").Toolkit} toolkit
 * @param {{ properties?: string, kernels?: string, use?: string }} answers
 * @returns {(folder: string) => NodeJS.ProcessEnv}
 */
function device(toolkit, { properties = "cudaSuccess", kernels = "cudaSuccess", use = "cudaSuccess" }) {
  return (folder) => {
    compile("stand-in-driver.c", folder, "libcuda.so.1", ["-DVERSION=20000", "-DRESULT=0"]);
    const include = `-I${join(toolkit.root, "include")}`;
    const options = [`-DPROPERTIES=${properties}`, `-DKERNELS=${kernels}`, `-DUSE=${use}`, include];
    compile("stand-in-device.c", folder, "device.so", options);
    return { LD_PRELOAD: join(folder, "device.so") };
  };
}

/** @param {string} source @param {string} folder @param {string} name @param {string[]} options */
function compile(source, folder, name, options) {
  const file = join(packageDir, "scripts", "cuda", source);
  execFileSync(process.env.CC || "cc", ["-shared", "-fPIC", "-O1", ...options, file, "-o", join(folder, name)]);
}
