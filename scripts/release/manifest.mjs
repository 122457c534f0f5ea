// What npm is told of a platform's package, and what its readers are.

import { join } from "node:path";
import { readJson } from "../lib/files.mjs";
import { packageDir } from "../lib/paths.mjs";

/**
 * @typedef {object} What
 * @property {string} name
 * @property {import("../lib/prebuilt.mjs").Platform} platform
 * @property {import("../lib/settings.mjs").Backend} backend
 */

/** @param {What & { version: string, files: string[] }} what */
export function createManifest({ name, platform, backend, version, files }) {
  const { license, engines, repository, homepage, bugs } = readJson(join(packageDir, "package.json"));
  return {
    name,
    version,
    description: `The addon of llama-native for ${describe(platform, backend)}`,
    license,
    ...Object.fromEntries(Object.entries({ repository, homepage, bugs }).filter(([, value]) => value !== undefined)),
    engines,
    os: [platform.os],
    cpu: [platform.arch],
    ...(platform.libc === null ? {} : { libc: [platform.libc] }),
    // Libraries are loaded by the system, which reads no archives.
    preferUnplugged: true,
    files: [...files, "build.json", "LICENSE", "THIRD_PARTY_NOTICES"],
  };
}

/** @param {What} what */
export function describePackage({ name, platform, backend }) {
  const install =
    backend === "cpu"
      ? "npm installs it with llama-native where it fits; nothing else is to be done."
      : `Install it beside llama-native, in the same version: \`npm install ${name}\`.`;
  return `# ${name}\n\nThe addon of llama-native for ${describe(platform, backend)}.\n\n${install}\n`;
}

/** @param {import("../lib/prebuilt.mjs").Platform} platform @param {import("../lib/settings.mjs").Backend} backend */
function describe({ os, arch, libc }, backend) {
  const system = `${os} ${arch}${libc === null ? "" : ` (${libc})`}`;
  return backend === "cpu" ? system : `${system} with ${backend}`;
}
