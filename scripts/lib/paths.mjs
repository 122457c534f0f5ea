// Where things are: in the package, and in the user's cache folder (which outlives `node_modules`).

import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const packageDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const nativeDir = join(packageDir, "native");

/** The folder that the library loads addons from: `<dist>/<backend>/llama-native.node`. */
export function distDir(env = process.env) {
  return env.LLAMA_NATIVE_OUT_DIR ? resolve(env.LLAMA_NATIVE_OUT_DIR) : join(nativeDir, "dist");
}

/** The folder for sources, build trees and finished addons; everything in it can be deleted at any time. */
export function cacheDir(env = process.env, platform = process.platform, home = homedir()) {
  if (env.LLAMA_NATIVE_CACHE_DIR) return resolve(env.LLAMA_NATIVE_CACHE_DIR);
  if (platform === "darwin") return join(home, "Library", "Caches", "llama-native");
  if (platform === "win32") return join(env.LOCALAPPDATA ?? join(home, "AppData", "Local"), "llama-native", "Cache");
  return join(env.XDG_CACHE_HOME ? resolve(env.XDG_CACHE_HOME) : join(home, ".cache"), "llama-native");
}
