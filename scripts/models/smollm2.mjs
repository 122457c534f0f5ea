// The small trained model that tests and proofs run.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageDir } from "../lib/paths.mjs";

/** @returns {Promise<string>} its path, once it is on this machine */
export async function smollm2() {
  const { pullModel } = await import(pathToFileURL(join(packageDir, "dist", "index.js")).href);
  return await pullModel("smollm2");
}
