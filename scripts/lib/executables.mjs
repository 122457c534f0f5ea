// Finds programs as a shell would, without running one.

import { accessSync, constants, statSync } from "node:fs";
import { delimiter, extname, isAbsolute, join } from "node:path";

/**
 * @param {string} name a program's name, or its absolute path
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | null} the absolute path, or null where there is none
 */
export function findExecutable(name, env = process.env) {
  const path = env.PATH ?? env.Path ?? "";
  const folders = isAbsolute(name) ? [""] : path.split(delimiter).filter((folder) => folder !== "");
  for (const folder of folders) {
    for (const suffix of suffixes(name, env)) {
      const candidate = folder === "" ? name + suffix : join(folder, name + suffix);
      if (isExecutable(candidate)) return candidate;
    }
  }
  return null;
}

/**
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 */
function suffixes(name, env) {
  if (process.platform !== "win32") return [""];
  const known = (env.PATHEXT ?? ".EXE;.CMD;.BAT").split(";").map((suffix) => suffix.toLowerCase());
  return known.includes(extname(name).toLowerCase()) ? [""] : known;
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
