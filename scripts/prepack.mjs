// Runs before `npm pack` and `npm publish`: puts the sources of llama.cpp that the addon is built from into the package,
// so that installing it needs nothing but npm, and takes out what was compiled from files that are gone. The folder is never
// committed.

import { cpSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { temporaryName } from "./lib/files.mjs";
import { cacheDir, packageDir } from "./lib/paths.mjs";
import { isPacked, LLAMA_CPP_PATHS } from "./lib/source-tree.mjs";
import { resolveSources } from "./lib/sources.mjs";
import { removeStale } from "./lib/stale.mjs";

removeStale(join(packageDir, "dist"), join(packageDir, "src"));
const target = join(packageDir, "llama.cpp");
const temporary = temporaryName(target);
rmSync(target, { recursive: true, force: true });
const source = await resolveSources({ cache: cacheDir(), env: process.env, log: (line) => console.error(line) });
mkdirSync(temporary);
for (const path of LLAMA_CPP_PATHS) {
  cpSync(join(source, path), join(temporary, path), {
    recursive: true,
    filter: (from) => isPacked(relative(source, from).split(sep).join("/")),
  });
}
renameSync(temporary, target);
