// What an install without network takes its packages from, and the npm that it is done with.

import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { readJson } from "../lib/files.mjs";
import { packageDir } from "../lib/paths.mjs";
import { gatherNpms, MEASURED_NPM } from "../package/npms.mjs";
import { gatherSupplies, supplyOfTarball } from "../package/supplies.mjs";
import { packMain, packPlatform } from "../release/pack-tarballs.mjs";

/**
 * @typedef {object} Goods
 * @property {string} folder of the tarballs
 * @property {import("../package/registry.mjs").Supply[]} supplies the main package, those of platforms, and what they depend on
 * @property {import("../package/installs.mjs").Npm} npm
 */

/**
 * @param {readonly string[]} platforms folders of packages with finished addons
 * @param {string} work where to put all of it
 * @returns {Promise<Goods>}
 */
export async function gatherGoods(platforms, work) {
  const folder = join(work, "supplies");
  mkdirSync(folder);
  const { dependencies } = readJson(join(packageDir, "package.json"));
  const supplies = await gatherSupplies(
    Object.entries(dependencies).map(([name, range]) => `${name}@${range}`),
    folder,
  );
  const tarballs = [await packMain(folder)];
  for (const platform of platforms) tarballs.push(await packPlatform(platform, folder));
  for (const tarball of tarballs) supplies.push(await supplyOfTarball(basename(tarball), folder));
  const [npm] = await gatherNpms([MEASURED_NPM], join(work, "tools"));
  if (npm === undefined) throw new Error(`Expected npm ${MEASURED_NPM}`);
  return { folder, supplies, npm };
}
