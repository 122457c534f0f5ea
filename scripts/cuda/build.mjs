// Builds the addons of the proof as a user would, by scripts/build.mjs: the CPU's and, beside it, CUDA's.

import { join } from "node:path";
import { readJson } from "../lib/files.mjs";
import { packageDir } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";

/** Of an RTX 30. One architecture, and no FlashAttention kernels, so that two cores can compile it within an hour. */
export const ARCHITECTURE = "86-real";
const CMAKE_ARGS = [`-DCMAKE_CUDA_ARCHITECTURES=${ARCHITECTURE}`, "-DGGML_CUDA_FA=OFF"];

/**
 * @param {"cpu" | "cuda"} backend
 * @param {string} out where the addon's folder goes
 * @param {import("./toolkit.mjs").Toolkit} toolkit
 */
export async function build(backend, out, toolkit) {
  const args = backend === "cpu" ? "" : CMAKE_ARGS.join(" ");
  const { code } = await run(process.execPath, [join(packageDir, "scripts", "build.mjs"), "--gpu", backend], {
    env: {
      ...process.env,
      CUDA_PATH: toolkit.root,
      LLAMA_NATIVE_OUT_DIR: out,
      LLAMA_NATIVE_CMAKE_ARGS: args,
      LLAMA_NATIVE_ADDON: "",
    },
    onLine: (line) => console.log(line),
  });
  if (code !== 0) throw new Error(`The build of the addon for ${backend} ended with ${code}`);
  const folder = join(out, backend);
  const { sizeBytes, inputs } = readJson(join(folder, "build.json"));
  return {
    path: join(folder, "llama-native.node"),
    sizeBytes,
    cmakeArguments: args,
    // Compilers and architectures are told elsewhere.
    settings: inputs.gpu.split("|").filter((/** @type {string} */ setting) => setting.startsWith("-DGGML_")),
  };
}
