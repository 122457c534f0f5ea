// The licences of the packages that are inside dist/, which ask for being told wherever they go.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { packageOf } from "./packages.mjs";

const LICENCE_FILE = /^licen[cs]e(?:[.-].*)?$/i;
const RULE = "=".repeat(80);

/**
 * @param {string} file
 * @param {string[]} modules what the bundles are made of
 * @throws {Error} where a package has no licence in a file
 */
export function writeNotices(file, modules) {
  /** @type {Map<string, Set<string>>} the folders with licences by what they are of */
  const notices = new Map();
  for (const module of modules) {
    const found = packageOf(module);
    if (found === null) continue;
    const title = `${found.name} ${found.version} (${found.license})`;
    const folders = notices.get(title) ?? new Set([found.folder]);
    notices.set(title, folders);
    // Code of others within a package has theirs beside it.
    for (let folder = dirname(module); folder !== found.folder; folder = dirname(folder)) folders.add(folder);
  }
  const texts = [...notices.keys()].sort().map((title) => {
    const licences = [.../** @type {Set<string>} */ (notices.get(title))].flatMap(licencesIn);
    if (licences.length === 0) throw new Error(`${title} has no licence in a file`);
    return `${RULE}\n${title}\n${RULE}\n\n${licences.join("\n\n")}\n`;
  });
  const head = "The files beside this one contain these packages of npm, under their own licences.";
  writeFileSync(file, `${head}\n\n${texts.join("\n")}`);
}

/** @param {string} folder */
function licencesIn(folder) {
  const names = readdirSync(folder).filter((entry) => LICENCE_FILE.test(entry));
  return names.map((name) => readFileSync(join(folder, name), "utf8").trim());
}
