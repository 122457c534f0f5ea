import { existsSync } from "node:fs";
import * as nodeModule from "node:module";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

import { LlamaError } from "../errors.js";
import { readJson } from "./read-json.js";

/** As in package.json, which no bundle carries along; a test compares the two. */
export const packageVersion = "0.1.0";

export const namedByHand = "set LLAMA_NATIVE_OUT_DIR to the folder native/dist of the installed package";

let root: string | undefined;

/**
 * The folder with this package's package.json, which is the nearest to this code. Code that a bundler has moved into another
 * package takes the one that Node finds from the bundle, as it would for one that was left external. Throws `NOT_BUILT` where
 * there is none of this version.
 */
export function packageRoot(): string {
  return (root ??= findRoot());
}

function findRoot(): string {
  const files = ownFiles();
  const own = files[0] === undefined ? undefined : packageAround(files[0]);
  if (own !== undefined && versionAt(own) !== undefined) return own;
  const installed = files.map(installedFor).filter((folder) => folder !== undefined);
  const same = installed.find((folder) => versionAt(folder) === packageVersion);
  if (same !== undefined) return same;
  throw bundled(files[0], installed[0]);
}

function packageAround(file: string): string | undefined {
  const folder = dirname(file);
  if (existsSync(join(folder, "package.json"))) return folder;
  return folder === file ? undefined : packageAround(folder);
}

/**
 * Where this code may lie. Some bundlers leave nothing of `import.meta` in CommonJS, or put the path of the machine that made
 * the bundle there; then the file that runs tells, or the program's.
 */
function ownFiles(): string[] {
  const url = import.meta.url as string | undefined;
  const files = [url === undefined ? undefined : fileURLToPath(url), commonJsFile(), process.argv[1]];
  return files.filter((file): file is string => file !== undefined && isAbsolute(file));
}

function commonJsFile(): string | undefined {
  try {
    return __filename;
  } catch {
    return undefined; // an ES module; what `typeof` says of it webpack decides without looking
  }
}

function installedFor(file: string): string | undefined {
  try {
    return dirname(requireOf(file).resolve("llama-native/package.json"));
  } catch {
    return undefined; // none that Node would find from there
  }
}

/**
 * Webpack puts what calls of `createRequire` ask for into the bundle, or nothing where it does not know that. So it must not see
 * one: all is looked for where the bundle runs.
 */
export function requireOf(file: string): NodeJS.Require {
  const { createRequire: makeRequire } = nodeModule;
  return makeRequire(file);
}

/** Undefined where the folder is not this package's. */
function versionAt(folder: string): string | undefined {
  const { name, version } = readJson(join(folder, "package.json")) ?? {};
  return name === "llama-native" && typeof version === "string" ? version : undefined;
}

function bundled(file: string | undefined, installed: string | undefined): LlamaError {
  const where = file ?? "a CommonJS file";
  const why =
    installed === undefined
      ? "no llama-native is installed where Node would find it from there"
      : `${installed} is llama-native ${versionAt(installed) ?? "of no known version"}, and the bundle holds ${packageVersion}`;
  const message = `The native addon cannot be looked for: llama-native was bundled into ${where}, and ${why}; ${namedByHand}`;
  return new LlamaError("NOT_BUILT", message, {
    details: { reason: "bundled", path: file ?? null, installed: installed ?? null },
  });
}
