// `npm run proof:package [folder]`: packs this package, installs the tarball in an empty folder with the network cut, building the addon
// from the sources inside it, and runs there what README.md tells a new user to run. Beside it, what peers take, and which
// releases of npm run the install script. Writes docs/package-installs.json and its part of docs/package.md, and fails where
// anything of that does not work.
//
// A folder that is named is kept: the next run takes from it what was gathered, and finds the compiler's cache warm.
//
// Linux only, as root: the network is cut by a namespace that has loopback alone.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { readJson } from "./lib/files.mjs";
import { packageDir } from "./lib/paths.mjs";
import { publish } from "./package/page.mjs";
import { gatherSupplies, npm, supplyOfTarball } from "./package/supplies.mjs";

const PEERS = ["node-llama-cpp@3.22.1", "@fugood/llama.node@1.7.15"];
/** That of Node 20, one that warns of install scripts, and one that blocks them, which needs a newer Node. */
const NPMS = ["10.8.2", "11.19.1", "12.2.2"];
const NEWER_NODE = "24.22.3";

requireNamespaces();
const named = process.argv[2];
const folder = named === undefined ? mkdtempSync(join(tmpdir(), "llama-native-proof-")) : resolve(named);
try {
  await main();
} finally {
  if (named === undefined) rmSync(folder, { recursive: true, force: true });
}

async function main() {
  const supplies = join(folder, "supplies");
  mkdirSync(supplies, { recursive: true });
  const [orderPath, resultPath] = [join(folder, "order.json"), join(folder, "result.json")];
  const tarball = await packOurs(supplies);
  const ours = await supplyOfTarball(tarball, supplies);
  /** @type {import("./package/offline.mjs").Order} */
  const order = readJson(orderPath) ?? (await gather(supplies, tarball));
  order.supplies = [...order.supplies.filter(({ manifest }) => manifest.name !== ours.manifest.name), ours];
  writeFileSync(orderPath, JSON.stringify(order));
  await runOffline([join(packageDir, "scripts", "package", "offline.mjs"), orderPath, resultPath]);
  const found = JSON.parse(readFileSync(resultPath, "utf8"));
  await publish("package-installs.json", {
    machine: describeMachine(),
    date: new Date().toISOString().slice(0, 10),
    ...found,
  });
  console.table(found.installs);
  console.table(found.scripts);
}

/**
 * @param {string} supplies
 * @param {string} tarball
 * @returns {Promise<import("./package/offline.mjs").Order>}
 */
async function gather(supplies, tarball) {
  console.log("gathering dependencies and peers");
  return {
    folder: supplies,
    supplies: await gatherSupplies([join(supplies, tarball), ...PEERS], supplies),
    npms: await gatherNpms(),
    model: await smollm2(),
    peers: PEERS.map((peer) => peer.slice(0, peer.lastIndexOf("@"))),
  };
}

function requireNamespaces() {
  const { status } = spawnSync("unshare", ["-n", "ip", "link", "set", "lo", "up"]);
  if (status === 0) return;
  console.error(
    "The proof cuts the network with `unshare -n` and `ip`, which this machine or user may not do; run it as root.",
  );
  process.exit(1);
}

/** @param {string[]} args */
async function runOffline(args) {
  const line = 'ip link set lo up && exec "$0" "$@"';
  const { status } = spawnSync("unshare", ["-n", "sh", "-c", line, process.execPath, ...args], { stdio: "inherit" });
  if (status !== 0) throw new Error(`The part without network ended with ${status}`);
}

/** @param {string} target */
async function packOurs(target) {
  console.log("packing");
  await npm(["pack", "--pack-destination", target], packageDir);
  const { version } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8"));
  return `llama-native-${version}.tgz`;
}

/** @returns {Promise<import("./package/installs.mjs").Npm[]>} */
async function gatherNpms() {
  const tools = join(folder, "tools");
  mkdirSync(tools);
  writeFileSync(join(tools, "package.json"), '{ "name": "tools", "version": "1.0.0", "private": true }');
  const specs = NPMS.map((version) => `npm-${version}@npm:npm@${version}`);
  const node = `newer-node@npm:node-${process.platform}-${process.arch}@${NEWER_NODE}`;
  await npm(["install", "--ignore-scripts", "--no-bin-links", ...specs, node], tools);
  const newer = { node: join(tools, "node_modules", "newer-node", "bin", "node"), nodeVersion: `Node ${NEWER_NODE}` };
  const own = { node: process.execPath, nodeVersion: `Node ${process.versions.node}` };
  return NPMS.map((version) => ({
    version,
    folder: join(tools, "node_modules", `npm-${version}`),
    ...(version.startsWith("12.") ? newer : own),
  }));
}

async function smollm2() {
  const { resolveModel } = await import(pathToFileURL(join(packageDir, "dist", "hub", "index.js")).href);
  return await resolveModel("smollm2");
}

function describeMachine() {
  const { output } = spawnSync("c++", ["--version"], { encoding: "utf8" }) ?? {};
  const compiler = output?.[1]?.split("\n")[0] ?? "unknown compiler";
  const count = cpus().length;
  return `${cpus()[0]?.model}, ${count} ${count === 1 ? "core" : "cores"}, ${compiler}, npm ${NPMS[1]}`;
}
