import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cacheDir } from "../../scripts/lib/paths.mjs";

const home = join("/", "home", "ada");

describe("the cache folder", () => {
  it.each([
    ["linux", {}, join(home, ".cache", "llama-native")],
    ["linux", { XDG_CACHE_HOME: join("/", "xdg") }, join("/", "xdg", "llama-native")],
    ["darwin", { XDG_CACHE_HOME: join("/", "xdg") }, join(home, "Library", "Caches", "llama-native")],
    ["win32", { LOCALAPPDATA: join("/", "local") }, join("/", "local", "llama-native", "Cache")],
    ["linux", { LLAMA_NATIVE_CACHE_DIR: join("/", "mine"), XDG_CACHE_HOME: join("/", "xdg") }, join("/", "mine")],
  ] as const)("on %s with %o is %s", (platform, env, folder) => {
    expect(cacheDir(env, platform, home)).toBe(folder);
  });
});
