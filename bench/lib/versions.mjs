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

/** What the figures depend on: results stay comparable while documents, the server or the command change. */
const MEASURED = [
  "native",
  "src",
  "bench",
  "scripts/lib/pins.mjs",
  ":!src/server",
  ":!src/cli",
  ":!bench/results",
  ":!*.md",
];

/** With the last commit that changed what is measured, and whether that has changed since. */
function ownVersion() {
  const { version } = readJson(join(packageDir, "package.json"));
  const git = (/** @type {string[]} */ ...args) =>
    execFileSync("git", [...args, "--", ...MEASURED], { cwd: packageDir, encoding: "utf8" }).trim();
  try {
    const changed = git("status", "--porcelain") === "" ? "" : ", changed";
    return `${version} (${git("log", "-1", "--format=%h")}${changed})`;
  } catch {
    return version; // a copy without history
  }
}
