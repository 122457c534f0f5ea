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
 * For rolldown's `onLog`. An import that it cannot resolve is a warning to it, but here a bundle that works nowhere else.
 * @param {string} _level
 * @param {{ message: string }} log
 */
export function failOnLog(_level, { message }) {
  throw new Error(message);
}
