import { join, resolve } from "node:path";

import { describe, expect, it } from "vitest";

import { cacheDir } from "../../scripts/lib/paths.mjs";
import { cacheDirectory } from "../../src/hub/cache.js";

const home = resolve("/home/someone");

const cases: [string, NodeJS.ProcessEnv, NodeJS.Platform, string][] = [
  ["Linux", {}, "linux", join(home, ".cache", "llama-native")],
  ["Linux with XDG", { XDG_CACHE_HOME: "/var/xdg" }, "linux", join(resolve("/var/xdg"), "llama-native")],
  ["an empty XDG_CACHE_HOME", { XDG_CACHE_HOME: "" }, "linux", join(home, ".cache", "llama-native")],
  ["macOS", { XDG_CACHE_HOME: "/var/xdg" }, "darwin", join(home, "Library", "Caches", "llama-native")],
  ["Windows", { LOCALAPPDATA: "/local" }, "win32", join("/local", "llama-native", "Cache")],
  ["Windows without LOCALAPPDATA", {}, "win32", join(home, "AppData", "Local", "llama-native", "Cache")],
  ["one's own choice", { LLAMA_NATIVE_CACHE_DIR: "/mine", XDG_CACHE_HOME: "/var/xdg" }, "linux", resolve("/mine")],
  ["a relative choice", { LLAMA_NATIVE_CACHE_DIR: "mine" }, "darwin", resolve("mine")],
];

describe("cacheDirectory", () => {
  it.each(cases)("%s", (_name, env, platform, expected) => {
    expect(cacheDirectory(env, platform, home)).toBe(expected);
  });

  it.each(cases)("%s: the scripts use the same folder", (_name, env, platform) => {
    expect(cacheDir(env, platform, home)).toBe(cacheDirectory(env, platform, home));
  });
});
