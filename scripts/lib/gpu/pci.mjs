// The GPUs of this machine by what Linux tells in /sys and /proc: nothing is run and no driver is loaded for it.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { listIfThere, readIfThere } from "../files.mjs";
import { nvidiaArchitecture } from "./nvidia-architectures.mjs";

const VENDORS = { nvidia: 0x10de, amd: 0x1002, intel: 0x8086 };

/**
 * @typedef {object} GpusFound
 * @property {{ device: number, architecture: string | null }[]} nvidia
 * @property {string[]} amdTargets such as gfx1100, as AMD's kernel driver names them
 * @property {boolean} hasAmd
 * @property {boolean} hasRenderNode whether any graphics driver has made a device to compute on
 */

/**
 * @param {string} [root] where `sys` and `dev` are
 * @returns {GpusFound}
 */
export function findGpus(root = "/") {
  const displays = listIfThere(join(root, "sys/bus/pci/devices"))
    .map((name) => join(root, "sys/bus/pci/devices", name))
    // Display controllers have class 0x03....
    .filter((folder) => readHex(join(folder, "class")) >> 16 === 0x03)
    .map((folder) => ({ vendor: readHex(join(folder, "vendor")), device: readHex(join(folder, "device")) }));
  const render = listIfThere(join(root, "dev/dri")).some((name) => name.startsWith("renderD"));
  return {
    nvidia: displays
      .filter(({ vendor }) => vendor === VENDORS.nvidia)
      .map(({ device }) => ({ device, architecture: nvidiaArchitecture(device) })),
    amdTargets: amdTargets(root),
    hasAmd: displays.some(({ vendor }) => vendor === VENDORS.amd),
    // Windows Subsystem for Linux has its GPU here.
    hasRenderNode: render || existsSync(join(root, "dev/dxg")),
  };
}

/** @param {string} root */
function amdTargets(root) {
  const nodes = join(root, "sys/class/kfd/kfd/topology/nodes");
  const versions = listIfThere(nodes).map((node) =>
    Number(/^gfx_target_version (\d+)$/m.exec(readIfThere(join(nodes, node, "properties")))?.[1] ?? 0),
  );
  return [...new Set(versions.filter((version) => version > 0).map(gfxName))];
}

/** 110000 is gfx1100 and 90010 is gfx90a: two digits each for minor version and stepping. @param {number} version */
function gfxName(version) {
  const [major, minor, stepping] = [Math.floor(version / 10000), Math.floor(version / 100) % 100, version % 100];
  return `gfx${major}${minor.toString(16)}${stepping.toString(16)}`;
}

/** @param {string} path */
function readHex(path) {
  return Number(readIfThere(path).trim() || 0);
}
