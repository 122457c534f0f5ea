// Whether Electron can be had here. Its package carries no binary; it is downloaded when it is first run, and not from the
// registry.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** @typedef {{ version: string, found: boolean, reason: string }} ElectronFound */

const DOWNLOAD_MS = 300_000;
const PROGRAM = `import { download } from "@electron/get";
download(process.argv[2]).then(
  () => console.log("downloaded"),
  (error) => console.log(error.cause?.message ?? error.message),
);`;

/**
 * @param {string} folder where Electron's package is installed
 * @param {string} node new enough for it
 * @param {string} version
 * @returns {ElectronFound}
 */
export function lookForElectron(folder, node, version) {
  const program = join(folder, "download-electron.mjs");
  writeFileSync(program, PROGRAM);
  const { stdout, signal } = spawnSync(node, [program, version], { encoding: "utf8", timeout: DOWNLOAD_MS });
  const said = stdout.trim() || `no answer (${signal ?? "it ended"})`;
  const found = said === "downloaded";
  const reason = found
    ? `Electron ${version} can be downloaded here, but no test runs in it yet`
    : `Electron ${version} was not run: its package carries no binary and downloads it, not from the registry, which failed with "${said}"`;
  return { version, found, reason };
}
