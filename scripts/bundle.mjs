// `npm run build`: makes dist/ of src/. Everything of others that the library, the command and a build of the addon import is inside,
// so that an install fetches no package but those with the headers that the addon is compiled with.

import { chmodSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bundleLibrary } from "./bundle/library.mjs";
import { writeNotices } from "./bundle/notices.mjs";
import { bundleTools } from "./bundle/tools.mjs";
import { bundleTypes } from "./bundle/types.mjs";
import { renameFolder, temporaryName } from "./lib/files.mjs";
import { packageDir } from "./lib/paths.mjs";

const dist = join(packageDir, "dist");
/** Where it is made, so that what is there is whole, and nothing stays of files that are gone. */
const made = temporaryName(dist);
const old = temporaryName(dist);
try {
  const modules = [...(await bundleLibrary(made)), ...(await bundleTools(join(made, "tools")))];
  await bundleTypes(made);
  writeNotices(join(made, "THIRD_PARTY_NOTICES"), modules);
  chmodSync(join(made, "cli", "main.js"), 0o755);
  if (existsSync(dist)) await renameFolder(dist, old);
  await renameFolder(made, dist);
  rmSync(old, { recursive: true, force: true });
} finally {
  rmSync(made, { recursive: true, force: true });
}
