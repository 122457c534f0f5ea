// `npm run proof:arm64`: builds the packages of Linux on arm64, for glibc and for musl, with Zig's compiler, installs each as npm does on
// such a machine, and runs it in QEMU's emulation of several CPUs: each must get the kernels meant for it, end no process with an
// instruction that it lacks, and say what the addon of this machine says. Writes docs/arm64.json, and fails where something is not as
// it must be. Speed is not looked at: an emulation has none. Debian on x64, with g++-aarch64-linux-gnu and qemu-user.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { buildAddon } from "./lib/build-addon.mjs";
import { findExecutable } from "./lib/executables.mjs";
import { emulate, MACHINES } from "./arm64/emulator.mjs";
import { proveRuns } from "./arm64/runs.mjs";
import { judgeRuns } from "./arm64/judgement.mjs";
import { cachedModel } from "./models/cached-model.mjs";
import { smollm2 } from "./models/smollm2.mjs";
import { publish } from "./package/page.mjs";
import { installOn } from "./prebuilt/other-machine.mjs";
import { runProof } from "./prebuilt/proof.mjs";

/** Besides SmolLM2: small, of random weights, in the types that models of users mostly are. */
const TYPES = /** @type {const} */ (["q4_0", "q8_0", "q4_k_m", "q5_k_m"]);

if (findExecutable("qemu-aarch64") === null) {
  console.error("Expected the program qemu-aarch64 but found none: apt-get install qemu-user g++-aarch64-linux-gnu");
  process.exit(1);
}
await runProof("arm64", async (frame) => {
  const { path: local } = await buildAddon({ backend: "cpu", reporter: frame.reporter });
  const models = await gatherModels();
  const machines = [];
  const problems = [];
  for (const machine of MACHINES) {
    const { own, place, name, compiler, variants, about, ...installed } = await installOn(machine, frame);
    const system = await machine.prepare(own);
    const emulated = emulate(place, system, join(own, "emulated-node"));
    const runs = await proveRuns({ place, emulated, name, variants, cpus: machine.cpus, local, models });
    machines.push({ libc: machine.name, ...about, node: system.version, compiler, ...runs });
    problems.push(
      ...[...installed.problems, ...judgeRuns(runs, name, variants)].map((each) => `${machine.name}: ${each}`),
    );
  }
  const emulator = execFileSync("qemu-aarch64", ["--version"], { encoding: "utf8" }).split("\n")[0];
  await publish("arm64.json", { emulator, machines });
  return problems;
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
