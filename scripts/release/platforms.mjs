// What is released, and for which machines.

import { prebuiltName } from "../lib/prebuilt.mjs";

/** @typedef {import("../lib/prebuilt.mjs").Platform} Platform */

/** @type {readonly Platform[]} */
export const PLATFORMS = [
  { os: "linux", arch: "x64", libc: "glibc" },
  { os: "linux", arch: "arm64", libc: "glibc" },
  { os: "linux", arch: "x64", libc: "musl" },
  { os: "linux", arch: "arm64", libc: "musl" },
  { os: "darwin", arch: "arm64", libc: null },
  { os: "darwin", arch: "x64", libc: null },
  { os: "win32", arch: "x64", libc: null },
  { os: "win32", arch: "arm64", libc: null },
];

/**
 * GPUs' packages, which users install by name: those that the release's workflow builds.
 * @type {readonly { platform: Platform, backend: import("../lib/settings.mjs").GpuBackend }[]}
 */
export const GPU_PACKAGES = [
  { platform: { os: "linux", arch: "x64", libc: "glibc" }, backend: "vulkan" },
  { platform: { os: "linux", arch: "x64", libc: "glibc" }, backend: "cuda" },
  { platform: { os: "darwin", arch: "arm64", libc: null }, backend: "metal" },
];

/** What the published package's package.json gets. @param {string} version */
export function publishedDependencies(version) {
  const cpu = PLATFORMS.map((platform) => prebuiltName(platform, "cpu"));
  const gpu = GPU_PACKAGES.map(({ platform, backend }) => prebuiltName(platform, backend));
  return {
    optionalDependencies: Object.fromEntries(cpu.map((name) => [name, version])),
    // Nothing is installed for these; package managers that keep packages apart let the library see them.
    peerDependencies: Object.fromEntries(gpu.map((name) => [name, version])),
    peerDependenciesMeta: Object.fromEntries(gpu.map((name) => [name, { optional: true }])),
  };
}
