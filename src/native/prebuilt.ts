import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import type { Backend } from "./backends.js";
import { packageRoot } from "./package-root.js";

const ownName = "llama-native";

/** A package with a finished addon, beside this one among the installed packages. */
export interface Prebuilt {
  readonly name: string;
  /** Of its addon, whether it exists or not. */
  readonly path: string;
  /** Why the addon must not be loaded, or null. */
  readonly problem: string | null;
}

/** The installed package for a backend on this system, if there is one. `scripts/lib/prebuilt.mjs` has the same rules. */
export function findPrebuilt(backend: Backend): Prebuilt | undefined {
  const own = readOwnManifest();
  if (own === undefined) return undefined;
  const name = prebuiltName(backend);
  let manifest;
  try {
    manifest = createRequire(own.path).resolve(`${name}/package.json`);
  } catch {
    return undefined; // another system's, or left out
  }
  const version = readManifest(manifest)?.version;
  const problem =
    version === own.version
      ? null
      : `expected version ${String(own.version)} of the package ${name} but found ${String(version)}`;
  return { name, path: join(dirname(manifest), "llama-native.node"), problem };
}

export function prebuiltName(backend: Backend): string {
  const system = `${process.platform}-${process.arch}${usesMusl() ? "-musl" : ""}`;
  return `${ownName}-${system}${backend === "cpu" ? "" : `-${backend}`}`;
}

/** None where a bundler has moved this code out of its package: then nothing tells which version it needs. */
function readOwnManifest(): { path: string; version: unknown } | undefined {
  let path;
  try {
    path = join(packageRoot(), "package.json");
  } catch {
    return undefined;
  }
  const manifest = readManifest(path);
  return manifest?.name === ownName ? { path, version: manifest.version } : undefined;
}

function readManifest(path: string): { name?: unknown; version?: unknown } | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as { name?: unknown; version?: unknown };
  } catch {
    return undefined;
  }
}

let musl: boolean | undefined;

/** Whether this Node is linked with musl, whose loader a program then names in its first bytes. */
function usesMusl(): boolean {
  musl ??= process.platform === "linux" && readStart(process.execPath).includes("/ld-musl-");
  return musl;
}

function readStart(path: string): Buffer {
  const bytes = Buffer.alloc(4096);
  const file = openSync(path, "r");
  try {
    return bytes.subarray(0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}
