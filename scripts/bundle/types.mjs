// The types of what the package exports, without those of its inside.

import { join } from "node:path";
import { rolldown } from "rolldown";
import { dts } from "rolldown-plugin-dts";
import { packageDir } from "../lib/paths.mjs";
import { STRICT } from "./packages.mjs";

/** @param {string} dist */
export async function bundleTypes(dist) {
  const bundle = await rolldown({
    cwd: packageDir,
    input: { index: "src/index.ts", "server/index": "src/server/index.ts" },
    platform: "node",
    ...STRICT,
    external: /^node:/,
    plugins: [dts({ emitDtsOnly: true, tsconfig: join(packageDir, "tsconfig.json"), sourcemap: false })],
  });
  await bundle.write({ dir: dist, format: "esm", chunkFileNames: "types/[name].js", minifyInternalExports: false });
}
