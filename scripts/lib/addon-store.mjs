// Finished addons with a record of what they were made from: one in the package, some in the cache folder.

import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashInputs, sameInputs } from "./build-inputs.mjs";
import { copyWhole, listIfThere, readJson, writeJson } from "./files.mjs";
import { LLAMA_CPP_VERSION, PACKAGE_VERSION } from "./pins.mjs";

export const ADDON = "llama-native.node";
const STAMP = "build.json";
/** Touched whenever its folder is used. */
const USED = ".used";
const NOT_ALLOWED = ["EACCES", "EPERM", "EROFS"];
/** Of each backend. */
const KEPT_ADDONS = 6;

/**
 * What `build.json` beside an addon tells.
 * @typedef {object} Stamp
 * @property {string} version this package's, of which alone the library takes the addon
 * @property {string} backend
 * @property {string} llamaCppVersion
 * @property {string} compiler
 * @property {"native" | "portable"} flags
 * @property {string} inputHash
 * @property {BuildInputs} inputs
 * @property {number} sizeBytes
 * @property {string} builtAt ISO 8601
 *
 * @typedef {import("./build-inputs.mjs").BuildInputs} BuildInputs
 */

/**
 * Whether a folder holds a whole addon made from these inputs.
 * @param {string} folder
 * @param {BuildInputs} inputs
 */
export function serves(folder, inputs) {
  /** @type {Stamp | null} */
  const stamp = readJson(join(folder, STAMP));
  const size = statSync(join(folder, ADDON), { throwIfNoEntry: false })?.size;
  return stamp !== null && size === stamp.sizeBytes && sameInputs(stamp.inputs, inputs);
}

/**
 * Whether a folder holds an addon that the library takes: of this version, or of none, which somebody has put there by hand.
 * @param {string} folder
 */
export function hasAddon(folder) {
  const version = readJson(join(folder, STAMP))?.version ?? PACKAGE_VERSION;
  return version === PACKAGE_VERSION && existsSync(join(folder, ADDON));
}

/**
 * Has an addon that serves stand for this version, where another one built it from the same sources.
 * @param {string} folder
 */
export function claim(folder) {
  if (!hasAddon(folder)) copyStamp(folder, folder);
}

/** @param {string} from @param {string} to */
function copyStamp(from, to) {
  writeJson(join(to, STAMP), { ...readJson(join(from, STAMP)), version: PACKAGE_VERSION });
}

/**
 * Copies an addon that serves from the cache, where there is one.
 * @param {string} cache
 * @param {BuildInputs} inputs
 * @param {string} target
 */
export function takeFromCache(cache, inputs, target) {
  const folder = join(cache, "addons");
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const kept = names.map((name) => join(folder, name)).find((path) => serves(path, inputs));
  if (kept === undefined) return false;
  // The stamp comes last: until then it tells no more than whose the addon is, which serves for nothing.
  const earlier = readJson(join(target, STAMP));
  if (earlier !== null) writeJson(join(target, STAMP), { version: earlier.version });
  copyWhole(join(kept, ADDON), join(target, ADDON));
  copyStamp(kept, target);
  markUsed(kept);
  return true;
}

/**
 * @param {string} cache
 * @param {BuildInputs} inputs
 * @param {string} addon
 */
export function keepInCache(cache, inputs, addon) {
  const kept = join(cache, "addons", `${inputs.backend}-${hashInputs(inputs).slice(0, 16)}`);
  rmSync(join(kept, STAMP), { force: true });
  copyWhole(addon, join(kept, ADDON));
  writeJson(join(kept, STAMP), createStamp(inputs, statSync(addon).size));
  markUsed(kept);
  // Those of other backends stay: a GPU's takes far longer to build.
  forgetOld(join(cache, "addons"), KEPT_ADDONS, (name) => !name.startsWith(`${inputs.backend}-`));
}

/**
 * @param {BuildInputs} inputs
 * @param {number} sizeBytes
 * @returns {Stamp}
 */
function createStamp(inputs, sizeBytes) {
  return {
    version: PACKAGE_VERSION,
    backend: inputs.backend,
    llamaCppVersion: LLAMA_CPP_VERSION,
    compiler: inputs.tools ?? "unknown",
    flags: inputs.cpu === "portable" ? "portable" : "native",
    inputHash: hashInputs(inputs),
    inputs,
    sizeBytes,
    builtAt: new Date().toISOString(),
  };
}

/** In a cache that this user may only read, it is for others to remember. @param {string} folder */
export function markUsed(folder) {
  try {
    writeFileSync(join(folder, USED), "");
  } catch (error) {
    if (!NOT_ALLOWED.includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? "")) throw error;
  }
}

/**
 * Removes all but the most recently used folders in `folder`, and those that stay in any case. One that cannot be removed, such as
 * root's or one that Windows has open, costs room on the disk and no build: the next one tries again.
 * @param {string} folder
 * @param {number} kept
 * @param {(name: string) => boolean} stays
 */
export function forgetOld(folder, kept, stays) {
  const paths = listIfThere(folder)
    .filter((name) => !stays(name))
    .map((name) => join(folder, name));
  const oldest = paths.sort((a, b) => lastUse(b) - lastUse(a)).slice(kept);
  for (const path of oldest) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      continue;
    }
  }
}

/** Milliseconds; 0 of a folder that was never used, or does not tell. @param {string} folder */
function lastUse(folder) {
  try {
    return statSync(join(folder, USED)).mtimeMs;
  } catch {
    return 0;
  }
}
