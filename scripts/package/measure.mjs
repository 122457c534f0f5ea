// What an install takes: its row in the table of docs/package.md.

import { mkdirSync, rmSync, statSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { extract } from "tar";
import { countFiles, install } from "./installs.mjs";
import { tarballOf } from "./supplies.mjs";

/**
 * @typedef {object} InstallRow
 * @property {string} program with its version
 * @property {string} condition
 * @property {number} tarballBytes of the package itself
 * @property {number} unpackedBytes
 * @property {number} files
 * @property {number} fetchedBytes all tarballs that the install fetched
 * @property {number} packages
 * @property {number} installedBytes
 * @property {number} seconds
 * @property {number} load average of the machine's, in the minute before the install ended
 *
 * @typedef {object} Shop
 * @property {string} folder of the tarballs
 * @property {import("./registry.mjs").Supply[]} supplies
 * @property {import("./registry.mjs").Registry} registry that has them
 */

/**
 * Installs a package as a user would, and says what that took.
 * @param {string} name
 * @param {string} condition
 * @param {import("./installs.mjs").Place} place
 * @param {Shop} shop
 * @returns {Promise<{ row: InstallRow, output: string }>} with what npm printed
 */
export async function measure(name, condition, place, { folder, supplies, registry }) {
  console.log(`installing ${name}: ${condition}`);
  registry.takeBytes();
  const { output, seconds, installedBytes, packages } = await install(name, place);
  const fetchedBytes = registry.takeBytes();
  const [load = 0] = loadavg();
  const version = supplies.find(({ manifest }) => manifest.name === name)?.manifest.version;
  const tarball = join(folder, tarballOf(supplies, name));
  const { files, bytes } = await countPacked(tarball, join(folder, "unpacked"));
  const row = {
    program: `${name} ${version}`,
    condition,
    tarballBytes: statSync(tarball).size,
    unpackedBytes: bytes,
    files,
    fetchedBytes,
    packages,
    installedBytes,
    seconds: round(seconds),
    load: round(load),
  };
  return { row, output };
}

/** @param {string} tarball @param {string} folder */
async function countPacked(tarball, folder) {
  mkdirSync(folder);
  try {
    await extract({ file: tarball, cwd: folder });
    return countFiles(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** To a tenth. @param {number} number */
function round(number) {
  return Math.round(number * 10) / 10;
}
