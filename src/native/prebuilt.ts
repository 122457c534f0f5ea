import { dirname, join } from "node:path";

import { usesMusl } from "../../scripts/lib/c-library.mjs";
import type { Backend } from "./backends.js";
import { packageRoot, packageVersion, requireOf } from "./own-package.js";
import { readJson } from "./read-json.js";

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
  const name = prebuiltName(backend);
  let manifest;
  try {
    manifest = requireOf(join(packageRoot(), "package.json")).resolve(`${name}/package.json`);
  } catch {
    return undefined; // another system's, left out, or nothing tells where packages are looked for
  }
  const version = readJson(manifest)?.["version"];
  const problem =
    version === packageVersion
      ? null
      : `expected version ${packageVersion} of the package ${name} but found ${String(version)}`;
  return { name, path: join(dirname(manifest), "llama-native.node"), problem };
}

export function prebuiltName(backend: Backend): string {
  const system = `${process.platform}-${process.arch}${isOnMusl() ? "-musl" : ""}`;
  return `llama-native-${system}${backend === "cpu" ? "" : `-${backend}`}`;
}

let musl: boolean | undefined;

/** Whether this Node is linked with musl. */
function isOnMusl(): boolean {
  musl ??= process.platform === "linux" && usesMusl(process.execPath);
  return musl;
}
