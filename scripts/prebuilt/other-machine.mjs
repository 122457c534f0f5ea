// The package of another machine's platform, installed as npm does it there.

import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { readJson } from "../lib/files.mjs";
import { buildPackage } from "../release/build-package.mjs";
import { checkPackage } from "../release/check-package.mjs";
import { readTarget } from "../release/target.mjs";
import { gatherGoods } from "./goods.mjs";
import { installFor } from "./place.mjs";
import { describeProof, judgeInstalledSize } from "./proof.mjs";

/**
 * Builds the package with Zig's compiler, and installs it in a folder of its own.
 * @param {{ target: string, npm: NodeJS.ProcessEnv }} machine
 * @param {import("./proof.mjs").Frame} frame
 */
export async function installOn({ target: name, npm }, { work, reporter }) {
  const own = join(work, name);
  mkdirSync(own);
  const target = readTarget(name, process.env, { zig: true });
  const folder = await buildPackage({ backend: "cpu", target, out: join(own, "packages"), reporter, verbose: false });
  const check = await checkPackage(folder, { maxGlibc: "2.28" });
  const goods = await gatherGoods([folder], own);
  /** @type {{ compiler: string, variants: string[] }} */
  const { compiler, variants } = readJson(join(folder, "build.json"));
  const { place, installedBytes } = await installFor(npm, goods, own);
  return {
    ...{ own, place, name: basename(folder), compiler, variants },
    problems: [...check.problems, ...judgeInstalledSize(installedBytes)],
    about: { ...describeProof(folder, check, goods), installedBytes },
  };
}
