// `native/dist/not-built.json` stands beside the folders of the backends while there is no addon, and says why:
//
//   {
//     "reason": "missing-tools" | "no-sources" | "build-failed" | "not-loadable" | "skipped",
//     "message": "<what is wrong>\n<what to do about it>",
//     "logPath": "<the tools' complete output>" | null,
//     "at": "<ISO 8601 time>"
//   }
//
// The library throws NOT_BUILT with exactly that message. A successful build removes the file. While an older addon is
// there, a failed build leaves it in use and writes nothing.

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeJson } from "./files.mjs";

/**
 * @param {string} dist
 * @param {import("./errors.mjs").BuildError} error
 */
export function recordFailure(dist, error) {
  if (existsSync(join(dist, "cpu", "llama-native.node"))) return;
  const { reason, message, logPath } = error;
  writeJson(notBuiltPath(dist), { reason, message, logPath: logPath ?? null, at: new Date().toISOString() });
}

/** @param {string} dist */
export function clearNotBuilt(dist) {
  rmSync(notBuiltPath(dist), { force: true });
}

/** @param {string} dist */
function notBuiltPath(dist) {
  return join(dist, "not-built.json");
}
