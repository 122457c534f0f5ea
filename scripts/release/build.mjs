// `npm run release:build`: builds the package with the finished addon for this platform into dist-packages/, and checks it.

import { join } from "node:path";
import { parseArgs } from "node:util";
import { BuildError } from "../lib/errors.mjs";
import { packageDir } from "../lib/paths.mjs";
import { createReporter } from "../lib/reporter.mjs";
import { stopChildrenOnSignals } from "../lib/run.mjs";
import { readGpuChoice } from "../lib/settings.mjs";
import { buildPackage } from "./build-package.mjs";
import { checkPackage } from "./check-package.mjs";
import { readTarget } from "./target.mjs";

const USAGE = `Usage: node scripts/release/build.mjs [--gpu <backend>] [--target <platform>] [--zig] [--out <folder>]
       [--max-glibc <version>] [--max-macos <version>] [--verbose]

  --gpu <backend>  the package for a GPU: cuda, metal, vulkan or hip (default: the CPU's)
  --target <platform>  another than this machine's, which is not run: linux-x64 or linux-arm64 with the compilers that CC and CXX
                   name, or those of Debian's package g++-x86-64-linux-gnu or g++-aarch64-linux-gnu; linux-x64-musl,
                   linux-arm64-musl or win32-x64 with Zig
  --zig            linux-x64 and linux-arm64 with Zig too, for systems as old as Node itself runs on, with glibc 2.28. Zig 0.17
                   is looked for on the PATH, and else installed by pip into the cache folder
  --out <folder>   where to put the package's folder (default: dist-packages)
  --max-glibc <version>, --max-macos <version>  refuse a package that needs a newer one`;

const reporter = createReporter();
stopChildrenOnSignals();
try {
  const { values } = parseArgs({
    options: {
      gpu: { type: "string", default: "cpu" },
      target: { type: "string" },
      zig: { type: "boolean", default: false },
      out: { type: "string", default: join(packageDir, "dist-packages") },
      "max-glibc": { type: "string" },
      "max-macos": { type: "string" },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) reporter.say(USAGE);
  else await main(values);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  reporter.say(error.message);
  process.exitCode = 1;
} finally {
  reporter.close();
}

/**
 * @typedef {{ target?: string | undefined, "max-glibc"?: string | undefined, "max-macos"?: string | undefined }} Wishes
 * @param {Wishes & { gpu: string, zig: boolean, out: string, verbose: boolean }} options
 */
async function main({ gpu, target: name, zig, out, verbose, "max-glibc": maxGlibc, "max-macos": maxMacos }) {
  const backend = readGpuChoice(gpu, "--gpu");
  if (backend === "auto")
    throw new BuildError("build-failed", "llama-native: Expected one backend for --gpu, not auto");
  if (zig && backend !== "cpu")
    throw new BuildError("build-failed", `llama-native: --zig is for the CPU's package, not for ${backend}`);
  const target = readTarget(name, process.env, { zig });
  const folder = await buildPackage({ backend, target, out, verbose, reporter });
  const { lines, problems } = await checkPackage(folder, { maxGlibc, maxMacos });
  for (const line of lines) reporter.say(line);
  if (problems.length === 0) return;
  const list = problems.map((line) => `  - ${line}`).join("\n");
  throw new BuildError("build-failed", `llama-native: ${folder} cannot be released:\n${list}`);
}
