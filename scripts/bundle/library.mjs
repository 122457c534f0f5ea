// The library, its server and the command, as ES modules.

import { builtinModules } from "node:module";
import { rolldown } from "rolldown";
import { minifySync, transformSync } from "rolldown/utils";
import { packageDir } from "../lib/paths.mjs";
import { failOnLog, packageOf } from "./packages.mjs";

/** Where the code of others goes, a file for each package, so that a module that is loaded late takes along what it alone needs. */
const VENDOR = "vendor/";

/** A module of Node's that CommonJS requires. */
const ASKED_FOR = new RegExp(`\\brequire\\((["'])(?:node:)?(${builtinModules.join("|")}|sqlite)\\1\\)`, "g");

/**
 * CommonJS of others within ES modules. Of Node it gets its modules without a `createRequire`, which does not outlive being bundled
 * once more; and some of it asks whether it has what ES modules do not, of which webpack makes that it does.
 * @type {import("rolldown").Plugin}
 */
const COMMONJS = {
  name: "commonjs-of-others",
  transform: {
    filter: { id: /[\\/]node_modules[\\/].*\.c?js$/, code: /\b(?:__filename|require)\b/ },
    handler: (code, module) =>
      transformSync(module, code.replace(ASKED_FOR, 'globalThis.process.getBuiltinModule("$2")'), {
        define: { __filename: "undefined", "require.main": "undefined" },
      }).code,
  },
};

/**
 * @param {string} dist
 * @returns {Promise<string[]>} the files that the bundle is made of
 */
export async function bundleLibrary(dist) {
  const bundle = await rolldown({
    cwd: packageDir,
    input: { index: "src/index.ts", "server/index": "src/server/index.ts", "cli/main": "src/cli/main.ts" },
    platform: "node",
    tsconfig: "tsconfig.json",
    transform: { target: "node20.19" },
    onLog: failOnLog,
    plugins: [COMMONJS],
  });
  const { output } = await bundle.write({
    dir: dist,
    format: "esm",
    chunkFileNames: ({ name }) => (name.startsWith(VENDOR) ? "[name].js" : "chunks/[name].js"),
    codeSplitting: { groups: [{ name: vendorOf, debugName: "vendor" }] },
    plugins: [
      {
        name: "minify-vendor",
        // The last to touch it, as what is rendered is printed again.
        generateBundle: (_options, bundle) => {
          for (const [name, file] of Object.entries(bundle)) {
            if (file.type === "chunk" && name.startsWith(VENDOR)) file.code = minified(name, file.code);
          }
        },
      },
    ],
  });
  return output.flatMap((chunk) => (chunk.type === "chunk" ? chunk.moduleIds : []));
}

/** @param {string} module */
function vendorOf(module) {
  const name = packageOf(module)?.name;
  return name === undefined ? null : VENDOR + name.replace("@", "").replace("/", "-");
}

/** What nobody reads here, and the licences of which are in a file of their own. @param {string} name @param {string} code */
function minified(name, code) {
  const { code: shorter, errors } = minifySync(name, code, { module: true });
  if (errors.length > 0) throw new Error(`${name}: ${errors.map(({ message }) => message).join("; ")}`);
  return shorter;
}
