// Compiled files whose source is gone, which the compiler leaves and `npm publish` would pack.

import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/**
 * Removes them.
 * @param {string} dist
 * @param {string} src
 * @returns {string[]} what was removed, relative to `dist`
 */
export function removeStale(dist, src) {
  const files = existsSync(dist) ? readdirSync(dist, { recursive: true, withFileTypes: true }) : [];
  const stale = files
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dist.length + 1))
    .filter((name) => !existsSync(join(src, name.replace(/(\.d\.ts|\.js)(\.map)?$/, ".ts"))));
  for (const name of stale) rmSync(join(dist, name));
  return stale.sort();
}
