// Which versions of the programs are compared, and whether the peers are installed.

import { execFileSync } from "node:child_process";
import { join } from "node:path";

import { readJson } from "../../scripts/lib/files.mjs";
import { packageDir } from "../../scripts/lib/paths.mjs";
import { LLAMA_CPP_VERSION } from "../../scripts/lib/pins.mjs";

const PEERS = /** @type {const} */ ({ "node-llama-cpp": "node-llama-cpp", fugood: "@fugood/llama.node" });

/**
 * @param {readonly import("./programs.mjs").Family[]} families
 * @returns {Record<string, string>}
 * @throws {Error} where a peer is missing
 */
export function versionsOf(families) {
  return Object.fromEntries(families.map(versionOf));
}

/** @param {import("./programs.mjs").Family} family @returns {[string, string]} */
function versionOf(family) {
  if (family === "ours") return ["llama-native", ownVersion()];
  if (family === "llama-bench" || family === "llama-server") return [family, LLAMA_CPP_VERSION];
  const name = PEERS[family];
  const installed = readJson(join(packageDir, "bench", "node_modules", name, "package.json"));
  if (installed === null) {
    throw new Error(`${name} is not installed: run "npm install --prefix bench", or choose other --programs`);
  }
  return [name, installed.version];
}

function ownVersion() {
  const { version } = readJson(join(packageDir, "package.json"));
  try {
    const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: packageDir, encoding: "utf8" }).trim();
    return `${version} (${commit})`;
  } catch {
    return version; // a copy without history
  }
}
