// This package's version, the exact version of llama.cpp that it is written for, and the places that its sources may come from.

import { join } from "node:path";
import { readJson } from "./files.mjs";
import { packageDir } from "./paths.mjs";

/** @type {string} */
export const PACKAGE_VERSION = readJson(join(packageDir, "package.json"))?.version ?? "unknown";

export const LLAMA_CPP_VERSION = "0.5.0";

export const UPSTREAM = {
  url: "https://github.com/ggml-org/llama.cpp.git",
  tag: `v${LLAMA_CPP_VERSION}`,
};

/** An npm package that carries the sources as a git bundle; npm is reachable wherever this package is installed. */
export const NPM_CARRIER = {
  name: "node-llama-cpp",
  version: "3.22.1",
  integrity: "sha512-bltIipuWmc123H7tMIgDGKSsSrhmhlQYeVUC48XTjVW7XGJJiJJyCdlTMzQ/LiWoPkGDpcL4FviDpgw7qfTiDw==",
  bundle: "package/llama/gitRelease.bundle",
  commit: "de3ff815ea7d559ee917f063901b8986f038abc6",
};

/** The addon and everything it loads may take this much on disk. */
export const MAX_ADDON_BYTES = 25 * 1024 * 1024;
