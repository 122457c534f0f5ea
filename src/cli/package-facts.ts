import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { packageRoot } from "../native/own-package.js";

/** The version of llama.cpp that this package is written for. */
export async function llamaCppVersion(): Promise<string> {
  const pins = await importScript<{ LLAMA_CPP_VERSION: string }>("lib/pins.mjs");
  return pins.LLAMA_CPP_VERSION;
}

export function scriptPath(name: string): string {
  return join(packageRoot(), "scripts", ...name.split("/"));
}

/** A module of the package's build scripts, which are published as they are and not compiled along. */
export async function importScript<Module>(name: string): Promise<Module> {
  return (await import(pathToFileURL(scriptPath(name)).href)) as Module;
}
