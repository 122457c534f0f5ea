// What scripts/lib uses of others, in one file of CommonJS: cmake-js looks for files of its own beside it.

import { copyFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { rolldown } from "rolldown";
import { packageDir } from "../lib/paths.mjs";
import { STRICT } from "./packages.mjs";

/** Of cmake-js, by the places where its bundled code looks for them; both are for Windows. */
const FILES = {
  "cpp/win_delay_load_hook.cc": "cpp/win_delay_load_hook.cc",
  "import/Find-VisualStudio.cs": "Find-VisualStudio.cs",
};

/**
 * @param {string} folder
 * @returns {Promise<string[]>} the files that the bundle is made of
 */
export async function bundleTools(folder) {
  const bundle = await rolldown({
    cwd: packageDir,
    input: { libraries: "scripts/lib/npm-libraries.cjs" },
    platform: "node",
    ...STRICT,
    // Headers, which it must find as files.
    external: ["node-api-headers"],
    // That without other packages inside, whose licences would not be seen.
    resolve: { alias: { tar: "tar/raw" } },
  });
  const { output } = await bundle.write({
    dir: folder,
    format: "cjs",
    entryFileNames: "[name].cjs",
    codeSplitting: false,
    minify: true,
  });
  const cmakeJs = dirname(createRequire(import.meta.url).resolve("cmake-js"));
  for (const [from, to] of Object.entries(FILES)) {
    mkdirSync(dirname(join(folder, to)), { recursive: true });
    copyFileSync(join(cmakeJs, from), join(folder, to));
  }
  return output.flatMap((chunk) => (chunk.type === "chunk" ? chunk.moduleIds : []));
}
