// Makes the files that are published: npm's own tarballs, of which the main package's names the platforms' packages.

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { extract } from "tar";
import { BuildError } from "../lib/errors.mjs";
import { readJson, writeJson } from "../lib/files.mjs";
import { packageDir } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { publishedDependencies } from "./platforms.mjs";

/**
 * All that a release publishes, in that order: the main package, which names the others, comes last.
 * @param {string} out where the platforms' packages are and the tarballs go
 * @returns {Promise<string[]>} the tarballs
 */
export async function packAll(out) {
  const tarballs = [];
  for (const folder of listPackages(out)) tarballs.push(await packPlatform(folder, out));
  return [...tarballs, await packMain(out)];
}

/**
 * The main package. A checkout's package.json names no package of a platform, so that it installs before they are published;
 * that of the tarball names each in its own version.
 * @param {string} out
 * @returns {Promise<string>} the tarball
 */
export async function packMain(out) {
  const work = mkdtempSync(join(tmpdir(), "llama-native-pack-"));
  try {
    const plain = await pack(packageDir, work, []);
    await extract({ file: plain, cwd: work });
    const manifest = join(work, "package", "package.json");
    const published = readJson(manifest);
    delete published.devDependencies;
    published.scripts = { install: published.scripts.install };
    writeJson(manifest, { ...published, ...publishedDependencies(published.version) });
    // Its scripts have run.
    return await pack(join(work, "package"), out, ["--ignore-scripts"]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** @param {string} folder a platform's package @param {string} out */
export async function packPlatform(folder, out) {
  return await pack(folder, out, ["--ignore-scripts"]);
}

/** The platforms' packages in a folder. @param {string} folder */
export function listPackages(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && readJson(join(folder, entry.name, "package.json")) !== null)
    .map((entry) => join(folder, entry.name));
}

/**
 * @param {string} folder
 * @param {string} out
 * @param {string[]} options
 */
async function pack(folder, out, options) {
  mkdirSync(out, { recursive: true });
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const args = ["pack", "--json", "--pack-destination", out, "--loglevel=error", ...options];
  const { code, stdout, output } = await run(npm, args, { cwd: folder });
  if (code !== 0) throw new BuildError("build-failed", `llama-native: npm pack of ${folder} failed:\n${output}`);
  // What the package's own scripts print comes before npm's list.
  const [{ filename }] = JSON.parse(stdout.slice(stdout.lastIndexOf("\n[") + 1));
  return join(out, filename);
}
