// Node for arm64 in QEMU's user mode, which emulates one process.

import { chmodSync, writeFileSync } from "node:fs";

/** Where Debian's cross compiler has the libraries of such a system. */
const LIBRARIES = "/usr/aarch64-linux-gnu";

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
