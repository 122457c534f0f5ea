// The library, its server and the command, as ES modules.

import { builtinModules } from "node:module";
import { rolldown } from "rolldown";
import { esmExternalRequirePlugin } from "rolldown/plugins";
import { minifySync, transformSync } from "rolldown/utils";
import { packageDir } from "../lib/paths.mjs";
import { failOnLog, packageOf } from "./packages.mjs";

/** Where the code of others goes, a file for each package, so that a module that is loaded late takes along what it alone needs. */
const VENDOR = "vendor/";

/** Node's own modules. */
const NODES = builtinModules.filter((name) => !name.includes(":")).flatMap((name) => [name, `node:${name}`]);

/**
 * undici looks whether there is SQLite, for a cache that nobody asks it for here; an import of it would fail in Node 20.
 * @type {import("rolldown").Plugin}
 */
const WITHOUT_SQLITE = {
  name: "without-sqlite",
  resolveId: (source) => (source === "node:sqlite" ? "\0no-sqlite" : null),
  load: (id) =>
    id === "\0no-sqlite"
      ? 'throw Object.assign(new Error("left out"), { code: "ERR_UNKNOWN_BUILTIN_MODULE" }); module.exports = {};'
      : null,
};

/**
 * Some ask whether they have what CommonJS has and ES modules do not, of which webpack makes that they do.
 * @type {import("rolldown").Plugin}
 */
const WITHOUT_COMMONJS = {
  name: "without-commonjs",
  transform: {
    filter: { id: /[\\/]node_modules[\\/].*\.c?js$/, code: /\b(?:__filename|require\.main)\b/ },
    handler: (code, module) =>
      transformSync(module, code, { define: { __filename: "undefined", "require.main": "undefined" } }).code,
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
    // Imports, since a `createRequire` by which CommonJS inside would get Node's modules does not outlive being bundled once more.
    plugins: [WITHOUT_SQLITE, WITHOUT_COMMONJS, esmExternalRequirePlugin({ external: NODES })],
  });
  const { output } = await bundle.write({
    dir: dist,
    format: "esm",
    chunkFileNames: ({ name }) => (name.startsWith(VENDOR) ? "[name].js" : "chunks/[name].js"),
    codeSplitting: { groups: [{ name: vendorOf, debugName: "vendor" }] },
    plugins: [
      {
        name: "minify-vendor",
        renderChunk: (code, { name }) => (name.startsWith(VENDOR) ? minified(name, code) : null),
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
  const { code: shorter, errors } = minifySync(`${name}.js`, code, { module: true });
  if (errors.length > 0) throw new Error(`${name}: ${errors.map(({ message }) => message).join("; ")}`);
  return shorter;
}
