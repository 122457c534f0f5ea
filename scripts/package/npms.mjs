// Releases of npm, from the registry, that proofs install packages with.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { npm } from "./supplies.mjs";

/** Installs are measured with one that runs install scripts, as peers need theirs too. */
export const MEASURED_NPM = "11.19.1";
/** That of Node 20, one that warns of install scripts, and one that blocks them, which needs a newer Node. */
export const NPMS = ["10.8.2", MEASURED_NPM, "12.2.2"];
const NEWER_NODE = "24.22.3";

/**
 * @param {readonly string[]} versions
 * @param {string} folder
 * @returns {Promise<import("./installs.mjs").Npm[]>}
 */
export async function gatherNpms(versions, folder) {
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), '{ "name": "tools", "version": "1.0.0", "private": true }');
  const specs = versions.map((version) => `npm-${version}@npm:npm@${version}`);
  const nodes = versions.some(needsNewerNode)
    ? [`newer-node@npm:node-${process.platform}-${process.arch}@${NEWER_NODE}`]
    : [];
  await npm(["install", "--ignore-scripts", "--no-bin-links", ...specs, ...nodes], folder);
  const newer = { node: join(folder, "node_modules", "newer-node", "bin", "node"), nodeVersion: `Node ${NEWER_NODE}` };
  const own = { node: process.execPath, nodeVersion: `Node ${process.versions.node}` };
  return versions.map((version) => ({
    version,
    folder: join(folder, "node_modules", `npm-${version}`),
    ...(needsNewerNode(version) ? newer : own),
  }));
}

/** @param {string} version */
function needsNewerNode(version) {
  return version.startsWith("12.");
}
