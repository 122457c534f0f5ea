// What bundles are made of.

import { join } from "node:path";
import { readJson } from "../lib/files.mjs";

const FOLDER = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/;

/**
 * @param {string} module its path, as a bundler names it
 * @returns {{ name: string, version: string, license: string, folder: string } | null} null where it is this package's own
 */
export function packageOf(module) {
  const folder = FOLDER.exec(module)?.[1];
  if (folder === undefined) return null;
  const { name, version, license } = readJson(join(folder, "package.json"));
  return { name, version, license, folder };
}

/**
 * For rolldown, to which an import that it cannot resolve is a warning, but here a bundle that works nowhere else. That a slow machine
 * takes long is none.
 * @type {Pick<import("rolldown").InputOptions, "onLog" | "checks">}
 */
export const STRICT = {
  checks: { bundlerTimings: false },
  onLog: (_level, { message }) => {
    throw new Error(message);
  },
};
