// Gathers, while there is a network, the tarballs of everything that is installed without one later.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { extract } from "tar";
import { run } from "../lib/run.mjs";

/** @typedef {import("./registry.mjs").Supply} Supply @typedef {import("./registry.mjs").Manifest} Manifest */

/** What a lock file tells of a package, as far as installs look at it. */
const FIELDS = [
  "version",
  "dependencies",
  "optionalDependencies",
  "peerDependencies",
  "peerDependenciesMeta",
  "bundleDependencies",
  "bin",
  "engines",
  "os",
  "cpu",
  "libc",
  "hasInstallScript",
];

/**
 * Everything that `npm install <specs>` needs here, its tarballs packed into `folder`.
 * @param {readonly string[]} specs
 * @param {string} folder
 * @returns {Promise<Supply[]>}
 */
export async function gatherSupplies(specs, folder) {
  const project = join(folder, "lock");
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "lock", version: "1.0.0", private: true }));
  await npm(["install", "--package-lock-only", "--ignore-scripts", ...specs], project);
  const lock = JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8"));
  const locked = Object.entries(lock.packages).filter(([path]) => path !== "");
  const supplies = locked.map(([path, entry]) => supplyOf(path, entry));
  const wanted = supplies.filter(({ manifest }) => runsHere(manifest));
  // Packages of this repository are given as files already.
  const remote = wanted.filter(({ manifest }) => !specs.some((spec) => isFileOf(spec, manifest)));
  const names = await pack(
    remote.map(({ manifest }) => `${manifest.name}@${manifest.version}`),
    folder,
  );
  for (const supply of remote) supply.tarball = names.get(`${supply.manifest.name}@${supply.manifest.version}`) ?? null;
  return supplies.filter((supply) => !wanted.includes(supply) || remote.includes(supply));
}

/** Of a package, its file in the folder. @param {readonly Supply[]} supplies @param {string} name */
export function tarballOf(supplies, name) {
  const tarball = supplies.find(({ manifest }) => manifest.name === name)?.tarball;
  if (tarball == null) throw new Error(`Expected a tarball of ${name}`);
  return tarball;
}

/** @param {string} tarball @param {string} folder it lies in @returns {Promise<Supply>} */
export async function supplyOfTarball(tarball, folder) {
  const target = join(folder, "manifest");
  mkdirSync(target, { recursive: true });
  await extract({ file: join(folder, tarball), cwd: target, strip: 1 }, ["package/package.json"]);
  return { manifest: JSON.parse(readFileSync(join(target, "package.json"), "utf8")), tarball };
}

/**
 * @param {string} path in the lock file
 * @param {any} entry
 * @returns {Supply}
 */
function supplyOf(path, entry) {
  const name = entry.name ?? path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
  const fields = FIELDS.filter((field) => field in entry).map((field) => [field, entry[field]]);
  const integrity = entry.integrity === undefined ? {} : { integrity: entry.integrity };
  return { manifest: { name, ...Object.fromEntries(fields) }, tarball: null, ...integrity };
}

/** @param {string} spec @param {Manifest} manifest */
function isFileOf(spec, { name, version }) {
  return basename(spec) === `${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
}

/** By the rules of package.json's `os`, `cpu` and `libc`. @param {Manifest} manifest */
function runsHere(manifest) {
  const report = /** @type {any} */ (process.report.getReport());
  const libc = report.header.glibcVersionRuntime === undefined ? "musl" : "glibc";
  const here = { os: process.platform, cpu: process.arch, libc };
  return Object.entries(here).every(([field, value]) => {
    const list = /** @type {string[]} */ (manifest[field] ?? []);
    const [no, yes] = [list.filter((each) => each.startsWith("!")), list.filter((each) => !each.startsWith("!"))];
    return !no.includes(`!${value}`) && (yes.length === 0 || yes.includes(value));
  });
}

/**
 * @param {readonly string[]} specs
 * @param {string} folder
 * @returns {Promise<Map<string, string>>} name@version to file
 */
async function pack(specs, folder) {
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder, ...new Set(specs)];
  const packed = JSON.parse(await npm(args, folder));
  // Newer releases of npm give an object by name.
  const list = Array.isArray(packed) ? packed : Object.values(packed);
  return new Map(list.map(({ name, version, filename }) => [`${name}@${version}`, filename]));
}

/**
 * @param {string[]} args
 * @param {string} cwd
 */
export async function npm(args, cwd) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(?!config_cache)/i.test(name)));
  const { code, stdout, output } = await run("npm", [...args, "--no-audit", "--no-fund"], { cwd, env });
  if (code !== 0) throw new Error(`npm ${args[0]} ended with code ${code}:\n${output.slice(-2000)}`);
  return stdout;
}
