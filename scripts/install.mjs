// Runs after `npm install`, and builds an addon where no package with a finished one works here. One that cannot be built must
// not fail the install of a whole application: the reason is printed, kept for the library to throw as NOT_BUILT, and the
// install goes on.

import { join } from "node:path";
import { ADDON, hasAddon } from "./lib/addon-store.mjs";
import { buildAddon } from "./lib/build-addon.mjs";
import { buildBackend, buildBestGpu, keepingFailure } from "./lib/build-backends.mjs";
import { asBuildError, BuildError } from "./lib/errors.mjs";
import { recordFailure } from "./lib/not-built.mjs";
import { distDir } from "./lib/paths.mjs";
import { takePrebuilt } from "./lib/prebuilt.mjs";
import { createReporter } from "./lib/reporter.mjs";
import { stopChildrenOnSignals } from "./lib/run.mjs";
import { adoptNpmConfig, readGpuChoice } from "./lib/settings.mjs";

adoptNpmConfig(process.env);
const reporter = createReporter();
stopChildrenOnSignals();
try {
  await install(readChoice());
} catch (error) {
  const failure = asBuildError(error);
  reporter.say(failure.message);
  recordFailure(distDir(), failure);
} finally {
  reporter.close();
}

/** @param {import("./lib/settings.mjs").Backend | "auto"} choice */
async function install(choice) {
  const hasCpu = await takePrebuilt("cpu", { reporter });
  if (process.env.LLAMA_NATIVE_SKIP_BUILD === "1") {
    if (hasCpu) return;
    const built = join(distDir(), "cpu");
    if (hasAddon(built)) {
      const path = join(built, ADDON);
      reporter.say(`llama-native: nothing is built, because LLAMA_NATIVE_SKIP_BUILD is set; ${path} is there`);
      return;
    }
    throw new BuildError(
      "skipped",
      "llama-native: the addon was not built, because LLAMA_NATIVE_SKIP_BUILD is set.\nTo build it, run: npx llama-native build",
    );
  }
  if (!hasCpu) await buildAddon({ reporter, backend: "cpu" });
  if (choice === "auto") await withoutFailing(() => buildBestGpu({ reporter }));
  else if (choice !== "cpu" && !(await takePrebuilt(choice, { reporter }))) {
    await keepingFailure(choice, { reporter }, () => buildBackend(choice, { reporter }));
  }
}

/**
 * What goes wrong with GPUs takes nobody the CPU's addon, which is there.
 * @param {() => Promise<unknown>} work
 */
async function withoutFailing(work) {
  try {
    await work();
  } catch (error) {
    reporter.say(asBuildError(error).message);
  }
}

/** A typing mistake leaves nobody without an addon. */
function readChoice() {
  try {
    return readGpuChoice(process.env.LLAMA_NATIVE_GPU, "LLAMA_NATIVE_GPU");
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    reporter.say(`${error.message}; only the CPU's addon is built`);
    return "cpu";
  }
}
