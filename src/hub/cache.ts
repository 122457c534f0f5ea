import { homedir } from "node:os";
import { join, resolve } from "node:path";

/**
 * The folder in which models and other things that can be fetched or made again are kept; it need not exist yet.
 *
 * `LLAMA_NATIVE_CACHE_DIR` where it is set, else the system's cache folder for users: `$XDG_CACHE_HOME/llama-native` or
 * `~/.cache/llama-native`, on macOS `~/Library/Caches/llama-native`, on Windows `%LOCALAPPDATA%\llama-native\Cache`.
 */
export function cacheDirectory(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): string {
  const chosen = env["LLAMA_NATIVE_CACHE_DIR"];
  if (chosen) return resolve(chosen);
  if (platform === "darwin") return join(home, "Library", "Caches", "llama-native");
  if (platform === "win32") {
    return join(env["LOCALAPPDATA"] ?? join(home, "AppData", "Local"), "llama-native", "Cache");
  }
  const caches = env["XDG_CACHE_HOME"];
  return join(caches ? resolve(caches) : join(home, ".cache"), "llama-native");
}

/** Where downloaded models are kept. */
export function modelsDirectory(): string {
  return join(cacheDirectory(), "models");
}
