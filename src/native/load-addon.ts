import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { LlamaError } from "../errors.js";
import type { NativeAddon, NativeSystemInfo } from "./contract.js";

let loaded: NativeAddon | undefined;

/**
 * The addon, loaded on the first call (one instance for each thread). `LLAMA_NATIVE_ADDON` names another file to load.
 * Throws `NOT_BUILT` where it is missing and `BACKEND_UNAVAILABLE` where it cannot be loaded on this system.
 */
export function loadAddon(): NativeAddon {
  loaded ??= requireAddon(addonPath());
  return loaded;
}

/** What the addon found on this machine: llama.cpp's version, CPU features in use, devices and their memory. */
export function systemInfo(): NativeSystemInfo {
  return loadAddon().systemInfo({});
}

/** Absolute path of the addon file that {@link loadAddon} loads, whether it exists or not. */
export function addonPath(): string {
  const explicit = process.env["LLAMA_NATIVE_ADDON"];
  if (explicit !== undefined && explicit !== "") return isAbsolute(explicit) ? explicit : resolve(explicit);
  return join(packageRoot(), "native", "dist", "cpu", "llama-native.node");
}

/** The folder with this package's package.json: two up from both `src/native` and `dist/native`. */
export function packageRoot(): string {
  return resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
}

function requireAddon(path: string): NativeAddon {
  if (!existsSync(path)) throw notBuilt(path);
  try {
    return createRequire(import.meta.url)(path) as NativeAddon;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LlamaError("BACKEND_UNAVAILABLE", `The addon ${path} cannot be loaded: ${reason}`, {
      cause,
      details: { path },
    });
  }
}

function notBuilt(path: string): LlamaError {
  const note = readNotBuiltNote();
  const message = note?.message ?? "The native addon is not built; run `npx llama-native build`";
  return new LlamaError("NOT_BUILT", message, { details: { path, reason: note?.reason ?? "missing" } });
}

/** What the install left behind where it could not build: `{reason, message}`. */
function readNotBuiltNote(): { reason: string; message: string } | undefined {
  const file = join(packageRoot(), "native", "dist", "not-built.json");
  try {
    const note = JSON.parse(readFileSync(file, "utf8")) as { reason?: unknown; message?: unknown };
    if (typeof note.message !== "string") return undefined;
    return { reason: typeof note.reason === "string" ? note.reason : "unknown", message: note.message };
  } catch {
    return undefined; // no note, or one cut short: the general message says enough
  }
}
