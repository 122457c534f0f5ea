// `npm run proof:systems`: builds the packages for systems that this machine is not - Linux with an older glibc, Linux with musl,
// Windows - with Zig's compiler, installs each as npm does there, and runs it: on Debian 11's and on musl's C library in a folder
// that has nothing else, and for Windows in Wine. Each must do all that every runtime does, and say what the addon of this machine
// says. Writes docs/systems.json and its part of docs/package.md, and fails where something is not as it must be. Debian on x64, as
// root, with Wine and apt's lists.

import { dirname } from "node:path";
import { buildAddon } from "./lib/build-addon.mjs";
import { smollm2 } from "./models/smollm2.mjs";
import { publish } from "./package/page.mjs";
import { installOn } from "./prebuilt/other-machine.mjs";
import { runProof } from "./prebuilt/proof.mjs";
import { MACHINES, wineVersion } from "./systems/machines.mjs";
import { askSystem, judgeSystem, startReference } from "./systems/runs.mjs";

if (process.getuid?.() !== 0 || wineVersion() === null) {
  console.error(
    "The proof locks processes into folders, and runs some in Wine: run it as root, after apt-get install wine",
  );
  process.exit(1);
}
await runProof("systems", async (frame) => {
  const { path: local } = await buildAddon({ backend: "cpu", reporter: frame.reporter });
  const model = await smollm2();
  /** @type {import("./systems/runs.mjs").SystemRow[]} */
  const rows = [];
  const problems = [];
  for (const machine of MACHINES) {
    const { own, place, name, compiler, variants, about, ...installed } = await installOn(machine, frame);
    const node = await machine.prepare(own, [own, dirname(model)]);
    const reference = await startReference(place, model, local);
    const found = await askSystem({ place, node: node.path, model, reference }).finally(node.end);
    const row = { system: machine.name, compiler, variants, ...about, ...found };
    rows.push(row);
    problems.push(...[...installed.problems, ...judgeSystem(row, name)].map((each) => `${machine.name}: ${each}`));
  }
  await publish("systems.json", { rows });
  return problems;
});
