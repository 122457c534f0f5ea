// `npm run release:publish`: packs the main package and each platform's in dist-packages/, and publishes what is not yet.

import { join } from "node:path";
import { BuildError } from "../lib/errors.mjs";
import { packageDir } from "../lib/paths.mjs";
import { packAll } from "./pack-tarballs.mjs";
import { publishTarballs } from "./publish-tarballs.mjs";

try {
  const tarballs = await packAll(join(packageDir, "dist-packages"));
  await publishTarballs(tarballs, { env: process.env, say: (line) => console.log(line) });
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
