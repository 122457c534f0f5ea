// `native/dist/not-built.json` stands beside the folders of the backends while there is no addon, and says why; so does
// `native/dist/<backend>/not-built.json` for the addon of a GPU that could not be built or was not:
//
//   {
//     "reason": "missing-tools" | "no-sources" | "build-failed" | "not-loadable" | "skipped",
//     "message": "<what is wrong>\n<what to do about it>",
//     "logPath": "<the tools' complete output>" | null,
//     "at": "<ISO 8601 time>"
//   }
//
// The library throws NOT_BUILT with exactly that message. A successful build removes the file. While an earlier addon
// of this version is there, a failed build leaves it in use and writes nothing.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { hasAddon } from "./addon-store.mjs";
import { writeJson } from "./files.mjs";

/**
 * @param {string} dist
 * @param {import("./errors.mjs").BuildError} error
 * @param {Backend} [backend]
 *
 * @typedef {import("./settings.mjs").Backend} Backend
 */
export function recordFailure(dist, error, backend = "cpu") {
  if (hasAddon(join(dist, backend))) return;
  const { reason, message, logPath } = error;
  const note = { reason, message, logPath: logPath ?? null, at: new Date().toISOString() };
  try {
    writeJson(notBuiltPath(dist, backend), note);
  } catch {
    // A package folder that cannot be written: the reason was said, and the library's general message tells what to run.
  }
}

/** @param {string} dist @param {Backend} backend */
export function clearNotBuilt(dist, backend) {
  rmSync(notBuiltPath(dist, backend), { force: true });
}

/** @param {string} dist @param {Backend} backend */
function notBuiltPath(dist, backend) {
  return backend === "cpu" ? join(dist, "not-built.json") : join(dist, backend, "not-built.json");
}
