// Builds the package of one backend for this platform: the addon with its libraries, which know all CPUs, and what npm wants.

import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ADDON } from "../lib/addon-store.mjs";
import { inBuildFolder, lockPath, shortHash } from "../lib/build-folder.mjs";
import { runCmake } from "../lib/cmake.mjs";
import { BuildError } from "../lib/errors.mjs";
import { readJson, writeJson } from "../lib/files.mjs";
import { decideHere } from "../lib/gpu/decisions.mjs";
import { decideJobs } from "../lib/jobs.mjs";
import { withLock } from "../lib/lock.mjs";
import { missingToolsMessage } from "../lib/missing-tools.mjs";
import { cacheDir, nativeDir, packageDir } from "../lib/paths.mjs";
import { LLAMA_CPP_VERSION } from "../lib/pins.mjs";
import { prebuiltName } from "../lib/prebuilt.mjs";
import { resolveSources } from "../lib/sources.mjs";
import { detectToolchain } from "../lib/toolchain.mjs";
import { createManifest, describePackage } from "./manifest.mjs";

/** A library of the addon: what ggml names so, and what native/cmake/variants.cmake does. */
const LIBRARY = /^(?:lib)?(?:ggml-[\w.-]+|llama-native-[\w.-]+-ggml(?:-base)?)\.(?:so|dylib|dll)$/;

/**
 * @typedef {import("../lib/settings.mjs").Backend} Backend
 * @typedef {import("../lib/prebuilt.mjs").Platform} Platform
 *
 * @typedef {object} Options
 * @property {Backend} backend
 * @property {import("./target.mjs").Target} target
 * @property {string} out
 * @property {import("../lib/reporter.mjs").Reporter} reporter
 * @property {boolean} verbose
 *
 * @param {Options} options
 * @returns {Promise<string>} the package's folder
 */
export async function buildPackage({ backend, target, out, reporter, verbose }) {
  const { platform, env } = target;
  const { version } = readJson(join(packageDir, "package.json"));
  const found = detectToolchain(env);
  if ("missing" in found) throw new BuildError("missing-tools", missingToolsMessage(found, env));
  const { toolchain } = found;
  const cache = cacheDir(env);
  const llamaDir = await resolveSources({ cache, env, log: (line) => reporter.say(`llama-native: ${line}`) });
  const settings = [...(backend === "cpu" ? [] : planFor(backend, target)), ...target.settings];
  const ties = [nativeDir, version, toolchain.compiler.version, toolchain.generator, ...settings].join("\0");
  const key = `release-${backend}-${shortHash(ties)}`;
  settings.push(`-DLLAMA_NATIVE_VARIANTS=${hasVariants(platform) ? "ON" : "OFF"}`, `-DLLAMA_NATIVE_VERSION=${version}`);
  const name = prebuiltName(platform, backend);
  const folder = join(out, name);
  await withLock(lockPath(cache, key), () =>
    inBuildFolder({ cache, key, fresh: false, generator: toolchain.generator }, async (buildDir) => {
      const addon = await runCmake({
        ...{ nativeDir, buildDir, llamaDir, toolchain, backend, verbose, env, reporter, targetOs: platform.os },
        ...{ portable: true, gpuSettings: settings, cpuNamespace: "release", jobs: decideJobs(env, backend).jobs },
        logPath: join(cache, "logs", `${key}.log`),
      });
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      collect(addon, buildDir, folder, platform);
    }),
  );
  addDescription(folder, { name, version, backend, platform, compiler: toolchain.compiler.version });
  return folder;
}

/** ggml has no list of CPUs for Windows on ARM, and this package's addon is of one file there. @param {Platform} platform */
function hasVariants({ os, arch }) {
  return os !== "win32" || arch !== "arm64";
}

/** @param {import("../lib/settings.mjs").GpuBackend} backend @param {import("./target.mjs").Target} target */
function planFor(backend, { env, isForeign }) {
  // Toolkits of GPUs are looked for by what this machine has.
  if (isForeign) throw new BuildError("build-failed", `llama-native: ${backend} is built on its own platform alone`);
  const decision = decideHere(env, true).find((each) => each.backend === backend);
  if (decision?.plan) return decision.plan.settings;
  const reason = decision?.reason ?? `there is none on ${process.platform}`;
  throw new BuildError("missing-tools", `llama-native: ${backend} cannot be built here: ${reason}`);
}

/** @param {string} addon @param {string} buildDir @param {string} folder @param {Platform} platform */
function collect(addon, buildDir, folder, platform) {
  copyFileSync(addon, join(folder, ADDON));
  if (!hasVariants(platform)) return;
  // Visual Studio puts them into folders of its own.
  const found = readdirSync(buildDir, { recursive: true, encoding: "utf8" }).filter((path) =>
    LIBRARY.test(basename(path)),
  );
  for (const path of found) copyFileSync(join(buildDir, path), join(folder, basename(path)));
}

/**
 * @param {string} folder
 * @param {{ name: string, version: string, backend: Backend, platform: Platform, compiler: string }} what
 */
function addDescription(folder, { name, version, backend, platform, compiler }) {
  const files = readdirSync(folder).sort();
  const variants = files.map((file) => /^(?:lib)?ggml-cpu-(.+)\.(?:so|dll)$/.exec(file)?.[1]).filter((each) => each);
  writeJson(join(folder, "build.json"), {
    backend,
    version,
    llamaCppVersion: LLAMA_CPP_VERSION,
    compiler,
    flags: "portable",
    target: `${platform.os}-${platform.arch}`,
    libc: platform.libc,
    variants,
    sizeBytes: statSync(join(folder, ADDON)).size,
  });
  for (const file of ["LICENSE", "THIRD_PARTY_NOTICES"]) copyFileSync(join(packageDir, file), join(folder, file));
  writeFileSync(join(folder, "README.md"), describePackage({ name, platform, backend }));
  writeJson(join(folder, "package.json"), createManifest({ name, version, platform, backend, files }));
}
