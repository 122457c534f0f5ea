// Before all tests: compiles the library anew where its sources are newer. Once, as the compiler writes files in place, and a
// process that another test has started would find a half of one.

import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { compiledCommand, packageDir } from "./compiled.js";

export default function compileWhereStale(): void {
  const compiled = statSync(compiledCommand(), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(packageDir, "src"), { recursive: true, withFileTypes: true });
  const newest = Math.max(...sources.map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs));
  if (newest <= compiled) return;
  const typescript = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  execFileSync(process.execPath, [typescript, "-p", "tsconfig.build.json"], { cwd: packageDir, stdio: "inherit" });
}
