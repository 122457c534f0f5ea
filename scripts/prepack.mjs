// Runs before `npm pack` and `npm publish`: puts the sources of llama.cpp that the addon is built from into the package,
// so that installing it needs nothing but npm. The archive is never committed.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { PACKED_SOURCES, packSources } from "./lib/packed-sources.mjs";
import { cacheDir, packageDir } from "./lib/paths.mjs";
import { resolveSources } from "./lib/sources.mjs";

const archive = join(packageDir, PACKED_SOURCES);
// What a run that was interrupted has left would be taken for the sources.
rmSync(archive, { force: true });
const sources = await resolveSources({ cache: cacheDir(), env: process.env, log: (line) => console.error(line) });
await packSources(sources, archive);
