// Finished addons for a proof that builds nothing: where the cache has one for Vulkan of these very sources.

import { join } from "node:path";
import { takeFromCache } from "../lib/addon-store.mjs";
import { buildAddon } from "../lib/build-addon.mjs";
import { collectInputs } from "../lib/build-inputs.mjs";
import { findLibrary, listVulkanDrivers } from "../lib/gpu/facts.mjs";
import { cacheDir } from "../lib/paths.mjs";
import { createReporter } from "../lib/reporter.mjs";
import { detectToolchain } from "../lib/toolchain.mjs";

/**
 * Puts the addons for Vulkan and for the CPU into a folder, as `LLAMA_NATIVE_OUT_DIR` names them.
 * @param {string} dist
 * @returns {Promise<string | null>} why there is nothing to run, or null
 */
export async function takeCachedAddons(dist) {
  if (findLibrary("libvulkan.so.1") === null) return "this machine has no Vulkan loader (libvulkan.so.1)";
  if (listVulkanDrivers(process.env).length === 0)
    return "this machine has no driver for Vulkan, of a GPU or in software";
  const found = detectToolchain(process.env);
  const toolchain = "toolchain" in found ? found.toolchain : null;
  // Whichever toolkit it was built with.
  const inputs = collectInputs({ backend: "vulkan", plan: null }, toolchain, process.env);
  if (!takeFromCache(cacheDir(), inputs, join(dist, "vulkan"))) {
    return "the cache has no addon for Vulkan of these sources; `node scripts/build.mjs --gpu vulkan` makes it";
  }
  await buildForCpu(dist);
  return null;
}

/** A copy of the one that is finished, or else a build. @param {string} dist */
async function buildForCpu(dist) {
  const reporter = createReporter();
  try {
    await buildAddon({ backend: "cpu", reporter, env: { ...process.env, LLAMA_NATIVE_OUT_DIR: dist } });
  } finally {
    reporter.close();
  }
}
