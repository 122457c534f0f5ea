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
import { readJson } from "./lib/files.mjs";
import { packageDir } from "./lib/paths.mjs";
import { smollm2 } from "./models/smollm2.mjs";
import { requireNamespaces, runOffline } from "./package/namespace.mjs";
import { gatherNpms, MEASURED_NPM, NPMS } from "./package/npms.mjs";
import { publish } from "./package/page.mjs";
import { gatherSupplies, npm, supplyOfTarball } from "./package/supplies.mjs";

const PEERS = ["node-llama-cpp@3.22.1", "@fugood/llama.node@1.7.15"];

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
  const found = runOffline(join(packageDir, "scripts", "package", "offline.mjs"), orderPath, resultPath);
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
    npms: await gatherNpms(NPMS, join(folder, "tools")),
    model: await smollm2(),
    peers: PEERS.map((peer) => peer.slice(0, peer.lastIndexOf("@"))),
  };
}

/** @param {string} target */
async function packOurs(target) {
  console.log("packing");
  await npm(["pack", "--pack-destination", target], packageDir);
  const { version } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8"));
  return `llama-native-${version}.tgz`;
}

function describeMachine() {
  const { output } = spawnSync("c++", ["--version"], { encoding: "utf8" }) ?? {};
  const compiler = output?.[1]?.split("\n")[0] ?? "unknown compiler";
  const count = cpus().length;
  return `${cpus()[0]?.model}, ${count} ${count === 1 ? "core" : "cores"}, ${compiler}, npm ${MEASURED_NPM}`;
}
