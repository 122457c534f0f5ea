// `npm run release:pack`: makes the tarballs to publish of the main package and of each platform's in dist-packages/.

import { join } from "node:path";
import { BuildError } from "../lib/errors.mjs";
import { packageDir } from "../lib/paths.mjs";
import { packAll } from "./pack-tarballs.mjs";

try {
  for (const tarball of await packAll(join(packageDir, "dist-packages"))) console.log(tarball);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
