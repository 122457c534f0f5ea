// `npm run proof:runtimes`: runs one smoke test in Node 20, 22, 24 and 26 and in Bun, all with the addon that the Node which
// runs this has built, and looks whether Electron can be had from the registry. Writes docs/package-runtimes.json and its part
// of docs/package.md, and fails where a runtime fails.

import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { distDir, packageDir } from "./lib/paths.mjs";
import { smollm2 } from "./models/smollm2.mjs";
import { npm } from "./package/supplies.mjs";
import { publish } from "./package/page.mjs";
import { lookForElectron } from "./runtimes/electron.mjs";
import { proveSingleExecutable } from "./runtimes/single-executable.mjs";
import { prove } from "./runtimes/prove.mjs";

const PLATFORM = `${process.platform}-${process.arch}`;
/** By the packages that carry their binaries. */
const RUNTIMES = [
  ...["20.20.2", "22.23.5", "24.22.3", "26.12.1"].map((version) => ({
    name: `node-${version}`,
    spec: `node-${PLATFORM}@${version}`,
    binary: "bin/node",
  })),
  { name: "bun", spec: `@oven/bun-${PLATFORM}@1.4.5`, binary: "bin/bun" },
];
const ELECTRON = "45.5.0";
/**
 * @typedef {{ builtWith: string, addonHash: string, rows: import("./runtimes/prove.mjs").Row[], electron: import("./runtimes/electron.mjs").ElectronFound, single: import("./runtimes/single-executable.mjs").SingleExecutable }} Runtimes
 */

const folder = mkdtempSync(join(tmpdir(), "llama-native-runtimes-"));
try {
  process.exitCode = await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function main() {
  const addon = join(distDir(), "cpu", "llama-native.node");
  if (!existsSync(addon)) throw new Error("There is no addon here. Build it with: npx llama-native build");
  writeFileSync(join(folder, "package.json"), '{ "name": "runtimes", "version": "1.0.0", "private": true }');
  const specs = RUNTIMES.map(({ name, spec }) => `${name}@npm:${spec}`);
  await npm(["install", "--ignore-scripts", "--no-bin-links", ...specs, `electron@${ELECTRON}`], folder);
  const model = await smollm2();
  const hash = hashOf(addon);
  const rows = RUNTIMES.map(({ name, binary }) =>
    prove(join(folder, "node_modules", name, binary), join(packageDir, "dist"), model),
  );
  const newNode = join(folder, "node_modules", "node-24.22.3", "bin", "node");
  const electron = lookForElectron(folder, newNode, ELECTRON);
  const newestNode = join(folder, "node_modules", "node-26.12.1", "bin", "node");
  const single = await proveSingleExecutable(join(folder, "single"), newestNode, model, distDir());
  if (hashOf(addon) !== hash) throw new Error("The addon changed while the runtimes ran");
  const builtWith = `Node ${process.versions.node}`;
  await publish("package-runtimes.json", {
    builtWith,
    addonHash: hash.slice(0, 16),
    platform: PLATFORM,
    rows,
    single,
    electron,
  });
  console.log(electron.reason);
  const all = [...rows, { runtime: `single executable, ${single.node}`, checks: single.checks }];
  const failed = all.flatMap(({ runtime, checks }) =>
    Object.entries(checks)
      .filter(([, outcome]) => outcome !== "ok")
      .map(([check, outcome]) => `${runtime}: ${check}: ${outcome}`),
  );
  for (const line of failed) console.log(line);
  console.log(failed.length === 0 ? `All ${rows.length} runtimes do all of it.` : `${failed.length} checks failed.`);
  return failed.length === 0 ? 0 : 1;
}

/** @param {string} path */
function hashOf(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
