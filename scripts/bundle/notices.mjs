// The licences of the packages that are inside dist/, which ask for being told wherever they go.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageOf } from "./packages.mjs";

const LICENCE_FILE = /^licen[cs]e(?:[.-].*)?$/i;
const RULE = "=".repeat(80);

/**
 * @param {string} file
 * @param {string[]} modules what the bundles are made of
 * @throws {Error} where a package has no licence in a file
 */
export function writeNotices(file, modules) {
  const packages = new Map(
    modules
      .map(packageOf)
      .filter((found) => found !== null)
      .map((found) => [`${found.name} ${found.version}`, found]),
  );
  const notices = [...packages.keys()].sort().map((title) => {
    const { license, folder } = /** @type {NonNullable<ReturnType<typeof packageOf>>} */ (packages.get(title));
    return `${RULE}\n${title} (${license})\n${RULE}\n\n${licenceIn(folder)}\n`;
  });
  writeFileSync(
    file,
    `The files beside this one contain these packages of npm, under their own licences.\n\n${notices.join("\n")}`,
  );
}

/** @param {string} folder */
function licenceIn(folder) {
  const name = readdirSync(folder).find((entry) => LICENCE_FILE.test(entry));
  if (name === undefined) throw new Error(`${folder} has no licence in a file`);
  return readFileSync(join(folder, name), "utf8").trim();
}
