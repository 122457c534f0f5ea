// Runs after `npm install`. An addon that cannot be built must not fail the install of a whole application: the reason
// is printed, kept for the library to throw as NOT_BUILT, and the install goes on.

import { buildAddon } from "./lib/build-addon.mjs";
import { BuildError } from "./lib/errors.mjs";
import { recordFailure } from "./lib/not-built.mjs";
import { distDir } from "./lib/paths.mjs";
import { createReporter } from "./lib/reporter.mjs";
import { stopChildrenOnSignals } from "./lib/run.mjs";

const SKIPPED = new BuildError(
  "skipped",
  "llama-native: the addon was not built, because LLAMA_NATIVE_SKIP_BUILD is set.\nTo build it, run: npx llama-native build",
);

const reporter = createReporter();
stopChildrenOnSignals();
try {
  if (process.env.LLAMA_NATIVE_SKIP_BUILD === "1") throw SKIPPED;
  await buildAddon({ reporter });
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  reporter.say(error.message);
  recordFailure(distDir(), error);
} finally {
  reporter.close();
}
