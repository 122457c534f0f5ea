// A CUDA toolkit for a machine without one: NVIDIA publishes its parts as Python wheels, which any user can unpack.

import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { listIfThere } from "../lib/files.mjs";
import { cacheDir } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";

/** Compiler, headers and libraries; there is no stub of the driver among them. */
const WHEELS = [
  "nvidia-cuda-nvcc==13.5.37",
  "nvidia-cuda-crt==13.5.37",
  "nvidia-nvvm==13.5.37",
  "nvidia-cuda-runtime==13.5.37",
  "nvidia-cuda-cccl==13.3.5.0.6",
  "nvidia-cublas==13.10.0.20",
];
/** What an addon loads of them. */
export const RUNTIME_LIBRARIES = ["libcudart", "libcublas", "libcublasLt"];

/** @typedef {{ root: string, libraries: string, nvcc: string, from: string | string[] }} Toolkit */

/**
 * The toolkit that CUDA_PATH names, or that of the wheels, which are fetched once.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Toolkit>}
 */
export async function findToolkit(env) {
  const root = env.CUDA_PATH || (await unpackWheels(join(cacheDir(env), "cuda-toolkit")));
  const libraries = ["lib64", "lib"].map((name) => join(root, name)).find((path) => listIfThere(path).length > 0);
  if (libraries === undefined) throw new Error(`Expected a CUDA toolkit in ${root} but found no libraries`);
  const { stdout } = await run(join(root, "bin", "nvcc"), ["--version"]);
  const nvcc = /release [\d.]+, V([\d.]+)/.exec(stdout)?.[1] ?? "unknown";
  return { root, libraries, nvcc, from: env.CUDA_PATH ? "CUDA_PATH" : WHEELS };
}

/** @param {string} folder @returns {Promise<string>} the toolkit's root */
async function unpackWheels(folder) {
  const root = join(folder, "nvidia", "cu13");
  const marker = join(folder, ".complete");
  if (existsSync(marker)) return root;
  console.log("Fetching the CUDA toolkit (0.6 GB) as Python wheels");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { code, output } = await run("python3", [
    ...["-m", "pip", "install", "--quiet", "--no-deps", "--target", folder],
    ...WHEELS,
  ]);
  if (code !== 0) throw new Error(`pip ended with ${code}:\n${output}`);
  completeToolkit(root);
  writeFileSync(marker, "");
  return root;
}

/** What an installer does beyond unpacking: programs that may run, and libraries by the names that linkers look for. */
function completeToolkit(/** @type {string} */ root) {
  for (const folder of ["bin", "nvvm/bin"].map((name) => join(root, name))) {
    for (const name of listIfThere(folder)) chmodSync(join(folder, name), 0o755);
  }
  symlinkSync("lib", join(root, "lib64"));
  for (const file of listIfThere(join(root, "lib"))) {
    const plain = /^(.*\.so)\.\d+$/.exec(file)?.[1];
    if (plain !== undefined) symlinkSync(file, join(root, "lib", plain));
  }
}
