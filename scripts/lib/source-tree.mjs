// What of llama.cpp's tree is needed to build the addon, and how to recognise a tree of the right version.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LLAMA_CPP_VERSION } from "./pins.mjs";

/** Files and folders that are packed into the published package, relative to llama.cpp's root. */
export const LLAMA_CPP_PATHS = [
  "CMakeLists.txt",
  "LICENSE",
  "cmake",
  "common",
  "ggml",
  "include",
  "licenses",
  "src",
  "vendor",
];

/** Backends and vendored code that no build of this package uses. */
const UNUSED = [
  ...["cann", "et", "hexagon", "musa", "opencl", "openvino", "rpc", "sycl", "virtgpu", "webgpu", "zdnn", "zendnn"].map(
    (backend) => `ggml/src/ggml-${backend}`,
  ),
  "vendor/cpp-httplib",
  "vendor/miniaudio/miniaudio.h",
  "vendor/stb/stb_image.h",
];

/** Whether the published package carries this file or folder. @param {string} path relative, with `/` */
export function isPacked(path) {
  const inTree = LLAMA_CPP_PATHS.some((root) => path === root || path.startsWith(`${root}/`));
  return inTree && !UNUSED.some((unused) => path === unused || path.startsWith(`${unused}/`));
}

/**
 * Says what is wrong with a tree of llama.cpp's sources.
 * @param {string} dir
 * @returns {string | null} null where it can be built from
 */
export function inspectSourceTree(dir) {
  if (!existsSync(dir)) return `${dir} does not exist`;
  for (const path of ["CMakeLists.txt", "include/llama.h", "ggml/CMakeLists.txt", "common/sampling.cpp"]) {
    if (!existsSync(join(dir, path))) return `${dir} is not a tree of llama.cpp's sources: it has no ${path}`;
  }
  const version = versionOf(dir);
  if (version === LLAMA_CPP_VERSION) return null;
  return `${dir} holds llama.cpp ${version ?? "of an unknown version"}, but this package is written for ${LLAMA_CPP_VERSION}`;
}

/** @param {string} dir */
function versionOf(dir) {
  const text = readFileSync(join(dir, "CMakeLists.txt"), "utf8");
  const parts = ["MAJOR", "MINOR", "PATCH"].map((part) => new RegExp(`LLAMA_VERSION_${part} (\\d+)`).exec(text)?.[1]);
  return parts.includes(undefined) ? null : parts.join(".");
}
