// Before all tests: bundles the library anew where its sources are newer. Once, as processes that other tests have started would
// find it gone meanwhile.

import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import { compiledCommand, packageDir } from "./compiled.js";

/** What the bundle is made of, and by. */
const INPUTS = ["src", "scripts/lib", "scripts/bundle", "scripts/bundle.mjs", "tsconfig.json", "package-lock.json"];

export default function compileWhereStale(): void {
  const compiled = statSync(compiledCommand(), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (Math.max(...INPUTS.map((name) => newestIn(join(packageDir, name)))) <= compiled) return;
  execFileSync(process.execPath, [join(packageDir, "scripts", "bundle.mjs")], { stdio: "inherit" });
}

function newestIn(path: string): number {
  const own = statSync(path);
  if (!own.isDirectory()) return own.mtimeMs;
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  return Math.max(own.mtimeMs, ...entries.map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs));
}
