// File operations that are whole or not at all, so that a kill in the middle leaves nothing half done; and looks at what may
// not be there.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Windows refuses to rename a folder while anybody has a file in it open, as scanners do with new ones. */
const REFUSED_BY_WINDOWS = ["EPERM", "EACCES", "EBUSY"];
const RENAME_ATTEMPTS = 100;
const RENAME_PAUSE_MS = 100;

let counter = 0;

/** A name beside `path` that no other process uses. @param {string} path */
export function temporaryName(path) {
  counter += 1;
  return `${path}.${process.pid}-${counter}.tmp`;
}

/**
 * @param {string} path
 * @param {unknown} value
 */
export function writeJson(path, value) {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = temporaryName(path);
  writeFileSync(temporary, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(temporary, path);
}

/**
 * @param {string} path
 * @returns {any} null where there is no such file or it is not JSON
 */
export function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}

/**
 * Replaces `to` by a copy; programs that have the old file open (a loaded addon) keep it.
 * @param {string} from
 * @param {string} to
 */
export function copyWhole(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  const temporary = temporaryName(to);
  try {
    copyFileSync(from, temporary);
    renameSync(temporary, to);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * Renames a folder that was just filled.
 * @param {string} from
 * @param {string} to that is not there
 * @param {{ rename?: typeof renameSync, isWindows?: boolean }} [system] for tests
 */
export async function renameFolder(from, to, { rename = renameSync, isWindows = process.platform === "win32" } = {}) {
  for (let attempt = 1; ; attempt++) {
    try {
      rename(from, to);
      return;
    } catch (error) {
      const { code = "" } = /** @type {NodeJS.ErrnoException} */ (error);
      if (!isWindows || !REFUSED_BY_WINDOWS.includes(code) || attempt === RENAME_ATTEMPTS) throw error;
      await sleep(RENAME_PAUSE_MS);
    }
  }
}

/** The text of a file, or "" where there is none that can be read. @param {string} path */
export function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Names in a folder in their order; none where there is no such folder. @param {string} path */
export function listIfThere(path) {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}
