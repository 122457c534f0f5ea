// `npm run release:pack`: makes the tarballs to publish of the main package and of each platform's in dist-packages/.

import { join } from "node:path";
import { BuildError } from "../lib/errors.mjs";
import { packageDir } from "../lib/paths.mjs";
import { listPackages, packMain, packPlatform } from "./pack-tarballs.mjs";

const out = join(packageDir, "dist-packages");
try {
  // In the order of publishing: the main package names the others.
  for (const folder of listPackages(out)) console.log(await packPlatform(folder, out));
  console.log(await packMain(out));
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
