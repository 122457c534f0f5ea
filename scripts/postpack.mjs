// Runs after `npm pack` and `npm publish`: removes what prepack put into the package, which would else be taken for the
// sources of the next build.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { PACKED_SOURCES } from "./lib/packed-sources.mjs";
import { packageDir } from "./lib/paths.mjs";

rmSync(join(packageDir, PACKED_SOURCES), { force: true });
