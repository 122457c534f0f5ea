// The part of the proof that has no network: run by prove-package.mjs in a network namespace of its own. Takes its order as a
// file's path, and leaves what it found in another.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { listIfThere } from "../lib/files.mjs";
import { diskUsage, install, runLine, runNpm, startNpm } from "./installs.mjs";
import { measure } from "./measure.mjs";
import { beginOffline } from "./namespace.mjs";
import { MEASURED_NPM } from "./npms.mjs";
import { runReadme } from "./readme.mjs";

/**
 * @typedef {import("./installs.mjs").Npm} Npm
 * @typedef {import("./installs.mjs").Place} Place
 * @typedef {import("./measure.mjs").InstallRow} InstallRow
 *
 * @typedef {object} Order
 * @property {string} folder
 * @property {import("./registry.mjs").Supply[]} supplies
 * @property {Npm[]} npms
 * @property {string} model
 * @property {string[]} peers
 *
 * @typedef {object} ScriptRow
 * @property {string} npm
 * @property {string} node
 * @property {boolean} scriptRan
 * @property {string | null} warning what npm says of it
 * @property {string | null} error the first `loadModel` where it did not run
 * @property {string[]} remedies commands that gave an addon
 *
 * @typedef {object} Killed
 * @property {string} step of the build that was killed
 * @property {number} seconds that the next install took
 *
 * @typedef {object} Found
 * @property {InstallRow[]} installs
 * @property {ScriptRow[]} scripts
 * @property {import("./readme.mjs").Said} readme
 * @property {number} keptBytes in the cache folder after a build
 * @property {Killed | null} killed null until it was tried
 */

const NAME = "llama-native";
const LOAD = `import("${NAME}").then(({ loadModel }) => loadModel(process.env.MODEL)).then(
  (model) => model.dispose().then(() => console.log("loaded")),
  ({ code, message }) => console.log(code, message),
);`;

/** @type {{ order: Order, registry: import("./registry.mjs").Registry, keep: (found: Found) => void }} */
const { order, registry, keep } = await beginOffline();
try {
  await prove();
} finally {
  await registry.close();
}

/** Keeps what was found after each part, so that hours of a slow machine are not lost with the last of them. */
async function prove() {
  const npm = order.npms.find(({ version }) => version === MEASURED_NPM);
  if (npm === undefined) throw new Error(`Expected npm ${MEASURED_NPM} among the releases of npm`);
  const [installs, readme, keptBytes] = await proveOurs(npm);
  /** @type {Found} */
  const found = { installs, readme, keptBytes, killed: null, scripts: [] };
  keep(found);
  for (const each of order.npms) {
    found.scripts.push(await proveScripts(each));
    keep(found);
  }
  for (const peer of order.peers) {
    found.installs.push(await rowOf(peer, "prebuilt", placeFor("peer", npm)));
    keep(found);
  }
  found.killed = await proveKilled(npm);
  keep(found);
}

/**
 * @param {Npm} npm
 * @returns {Promise<[InstallRow[], Found["readme"], number]>}
 */
async function proveOurs(npm) {
  const place = placeFor("ours", npm);
  const wasWarm = listIfThere(compilerCache()).length > 0;
  /** @type {InstallRow[]} */
  const rows = [];
  for (const state of wasWarm ? ["warm"] : ["empty", "warm"]) {
    // The compiler's cache goes by paths, so that all is where it was.
    forgetCache();
    rows.push(await rowOf(NAME, `built from source, compiler cache ${state}`, place));
  }
  const readme = await runReadme(order.model, place);
  const keptBytes = diskUsage(cacheOf("ours"));
  const again = await rowOf(NAME, "once more, in another project", {
    ...place,
    folder: join(place.folder, "..", "second"),
  });
  return [[...rows, again], readme, keptBytes];
}

/**
 * @param {string} name
 * @param {string} condition
 * @param {Place} place
 */
async function rowOf(name, condition, place) {
  return (await measure(name, condition, place, { ...order, registry })).row;
}

/**
 * Kills npm and all it has started in the middle of compiling, and installs again.
 * @param {Npm} npm
 * @returns {Promise<Killed>}
 */
async function proveKilled(npm) {
  console.log("killing an install in the middle of its build");
  const cache = cacheOf("ours");
  const place = placeFor("ours", npm);
  forgetCache();
  const child = startNpm(["install", NAME], place);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  let step = "";
  while (Number(/\d+/.exec(step)?.[0] ?? 0) < 30) {
    if (child.exitCode !== null) throw new Error(`Expected an install to kill, but it ended with ${child.exitCode}`);
    await sleep(20);
    const logs = listIfThere(join(cache, "logs")).filter((name) => name.startsWith("cpu-"));
    const text = logs.map((name) => readFileSync(join(cache, "logs", name), "utf8")).join("");
    step =
      text
        .match(/^\[\d+\/\d+\]/gm)
        ?.at(-1)
        ?.slice(1, -1)
        .replace("/", " of ") ?? "";
  }
  process.kill(-(child.pid ?? 0), "SIGKILL");
  await ended;
  if (hasAddon(place)) throw new Error("Expected no addon after a build that was killed");
  const began = performance.now();
  await runNpm(["install", NAME], place);
  const seconds = Math.round((performance.now() - began) / 100) / 10;
  const then = await loadIn(place);
  if (then !== "loaded") throw new Error(`Expected the install after a killed one to give an addon, but: ${then}`);
  return { step, seconds };
}

/** @param {Place} place */
function hasAddon(place) {
  return listIfThere(join(place.folder, "node_modules", NAME, "native", "dist", "cpu")).includes("llama-native.node");
}

/**
 * Whether an npm runs the install script, what the user is told where it does not, and whether the remedies work.
 * @param {Npm} npm
 * @returns {Promise<ScriptRow>}
 */
async function proveScripts(npm) {
  console.log(`installing with npm ${npm.version}`);
  const place = { ...placeFor("ours", npm), folder: join(order.folder, "scripts", npm.version) };
  const { output } = await install(NAME, place);
  const warning = output.match(/install-scripts (\d+ package.*)/)?.[1]?.replace(/:$/, "") ?? null;
  const first = await loadIn(place);
  const row = { npm: npm.version, node: npm.nodeVersion, scriptRan: first === "loaded", warning };
  if (first === "loaded") return { ...row, error: null, remedies: [] };
  const command = /`(npx llama-native build)`/.exec(first)?.[1];
  if (!first.startsWith("NOT_BUILT ") || command === undefined) {
    throw new Error(`Expected NOT_BUILT with the command that builds, but loadModel said: ${first}`);
  }
  const remedies = [command, `npm install-scripts approve ${NAME} && npm rebuild ${NAME}`];
  for (const remedy of remedies) {
    await install(NAME, place);
    await runLine(remedy, place);
    const then = await loadIn(place);
    if (then !== "loaded") throw new Error(`Expected a model to load after ${remedy}, but: ${then}`);
  }
  return { ...row, error: first.replaceAll(place.folder, "."), remedies };
}

/** @param {Place} place */
async function loadIn(place) {
  writeFileSync(join(place.folder, "load.mjs"), LOAD);
  return (await runLine("node load.mjs", place)).trim();
}

/** @param {string} name @param {Npm} npm @returns {Place} */
function placeFor(name, npm) {
  const env = { LLAMA_NATIVE_CACHE_DIR: cacheOf(name), CCACHE_DIR: compilerCache(), MODEL: order.model };
  // Each with a space and characters beyond ASCII, which every tool on the way must stand.
  return { folder: join(order.folder, `${name} ü 模型`, "app"), npm, registry: registry.url, env };
}

function compilerCache() {
  return join(order.folder, "ccache");
}

/** Sources, build folders and addons; the compiler's cache stays. */
function forgetCache() {
  rmSync(cacheOf("ours"), { recursive: true, force: true });
}

/** @param {string} name */
function cacheOf(name) {
  return join(order.folder, "cache ü 模型", name);
}
