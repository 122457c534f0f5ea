// Installs packages as a user would, from a registry on this machine, and measures what that takes.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { run } from "../lib/run.mjs";

/**
 * @typedef {object} Npm
 * @property {string} version
 * @property {string} node the Node it runs on
 * @property {string} nodeVersion
 * @property {string} folder its package
 *
 * @typedef {object} Place
 * @property {string} folder the project
 * @property {Npm} npm
 * @property {string} registry
 * @property {NodeJS.ProcessEnv} env more variables, or others
 *
 * @typedef {object} Measured
 * @property {string} output
 * @property {number} seconds
 * @property {number} installedBytes of `node_modules`, as `du --apparent-size` counts
 * @property {number} packages
 */

/**
 * `npm install <spec>` in a new, empty project, with an empty npm cache.
 * @param {string} spec
 * @param {Place} place
 * @returns {Promise<Measured>}
 */
export async function install(spec, place) {
  createProject(place.folder);
  const began = performance.now();
  const output = await runNpm(["install", spec], place);
  const seconds = (performance.now() - began) / 1000;
  rmSync(join(place.folder, ".npm-cache"), { recursive: true });
  const modules = join(place.folder, "node_modules");
  return { output, seconds, installedBytes: diskUsage(modules), packages: countPackages(modules) };
}

/** @param {string} folder */
function createProject(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "app", version: "1.0.0", private: true }));
}

/**
 * npm in a new, empty project, in a group of processes of its own.
 * @param {string[]} args
 * @param {Place} place
 */
export function startNpm(args, place) {
  createProject(place.folder);
  const program = join(place.npm.folder, "bin", "npm-cli.js");
  return spawn(place.npm.node, [program, ...args], {
    cwd: place.folder,
    env: environment(place),
    stdio: "ignore",
    detached: true,
  });
}

/**
 * @param {string[]} args
 * @param {Place} place
 * @returns {Promise<string>} what was printed
 */
export async function runNpm(args, place) {
  return await inPlace(place.npm.node, [join(place.npm.folder, "bin", "npm-cli.js"), ...args], place);
}

/**
 * Runs a line of a shell in the project; its `npx` is that of the project's npm, its `node` that npm's.
 * @param {string} line
 * @param {Place} place
 */
export async function runLine(line, place) {
  const bin = join(dirname(place.folder), `bin-${place.npm.version}`);
  mkdirSync(bin, { recursive: true });
  for (const name of ["npm", "npx"]) {
    const script = join(place.npm.folder, "bin", `${name}-cli.js`);
    writeFileSync(join(bin, name), `#!/bin/sh\nexec "${place.npm.node}" "${script}" "$@"\n`, { mode: 0o755 });
  }
  const PATH = [bin, dirname(place.npm.node), place.env.PATH ?? process.env.PATH].join(delimiter);
  return await inPlace("sh", ["-c", line], { ...place, env: { ...place.env, PATH } });
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {Place} place
 * @returns {Promise<string>} what was printed
 */
export async function inPlace(program, args, place) {
  const { code, signal, output } = await run(program, args, { cwd: place.folder, env: environment(place) });
  if (code === 0) return output;
  throw new Error(`${[program, ...args].join(" ")} ended with ${signal ?? `code ${code}`}:\n${output.slice(-3000)}`);
}

/** Settings of the npm that started this, and of this package, are not a user's. @param {Place} place */
export function environment({ folder, registry, env }) {
  const clean = Object.entries(process.env).filter(([name]) => !/^(npm_|llama_native_)/i.test(name));
  const own = { HOME: folder, npm_config_cache: join(folder, ".npm-cache"), npm_config_registry: registry };
  return { ...Object.fromEntries(clean), ...own, ...env };
}

/** @param {string} path */
export function diskUsage(path) {
  return Number(execFileSync("du", ["-s", "--apparent-size", "-B1", path], { encoding: "utf8" }).split("\t")[0]);
}

/** Bytes of regular files and how many there are. @param {string} folder */
export function countFiles(folder) {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => lstatSync(join(folder, name)))
    .filter((stats) => stats.isFile());
  return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) };
}

/** @param {string} modules */
function countPackages(modules) {
  const names = readdirSync(modules, { recursive: true, encoding: "utf8" });
  return names.filter(
    (name) =>
      /(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(`node_modules/${name}`) &&
      existsSync(join(modules, name)),
  ).length;
}
