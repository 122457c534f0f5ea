// The library, its server and the command, as ES modules.

import { builtinModules } from "node:module";
import { rolldown } from "rolldown";
import { esmExternalRequirePlugin } from "rolldown/plugins";
import { minifySync, transformSync } from "rolldown/utils";
import { packageDir } from "../lib/paths.mjs";
import { packageOf, STRICT } from "./packages.mjs";

/** Where the code of others goes, a file for each package, so that a module that is loaded late takes along what it alone needs. */
const VENDOR = "vendor/";

/** Node's own modules, but for those that Node 20 does not have. */
const NODES = builtinModules.filter((name) => !name.includes(":")).flatMap((name) => [name, `node:${name}`]);
/** How rolldown names the import of one of them that stands for a `require`. */
const REQUIRED = "builtin:esm-external-require-";

/** What CommonJS of others asks for within ES modules. @type {import("rolldown").Plugin} */
const COMMONJS = {
  name: "commonjs-of-others",
  // undici looks whether there is SQLite, for a cache that nobody asks it for here.
  resolveId: (source) => (source === "node:sqlite" ? "\0no-sqlite" : null),
  load: (id) =>
    id === "\0no-sqlite"
      ? 'throw Object.assign(new Error("left out"), { code: "ERR_UNKNOWN_BUILTIN_MODULE" }); module.exports = {};'
      : null,
  // Some ask whether they have what ES modules do not, of which webpack makes that they do.
  transform: {
    filter: { id: /[\\/]node_modules[\\/].*\.c?js$/, code: /\b(?:__filename|require\.main)\b/ },
    handler: (code, module) =>
      withoutErrors(
        module,
        transformSync(module, code, { define: { __filename: "undefined", "require.main": "undefined" } }),
      ),
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
    ...STRICT,
    // Imports, since a `createRequire` by which CommonJS would get Node's modules does not outlive being bundled once more.
    plugins: [COMMONJS, esmExternalRequirePlugin({ external: NODES })],
  });
  const { output } = await bundle.write({
    dir: dist,
    format: "esm",
    chunkFileNames: ({ name }) => (name.startsWith(VENDOR) ? "[name].js" : "chunks/[name].js"),
    codeSplitting: {
      groups: [
        { name: requiredOf, debugName: "node", priority: 1 },
        { name: vendorOf, debugName: "vendor" },
      ],
    },
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

/**
 * Each by itself: in the file of the first package that requires it, it would take that along wherever else it is.
 * @param {string} module
 */
function requiredOf(module) {
  if (!module.startsWith(REQUIRED)) return null;
  return `${VENDOR}node-${module
    .slice(REQUIRED.length)
    .replace(/^node:/, "")
    .replace("/", "-")}`;
}

/** @param {string} module */
function vendorOf(module) {
  const name = packageOf(module)?.name;
  return name === undefined ? null : VENDOR + name.replace("@", "").replace("/", "-");
}

/** What nobody reads here, and the licences of which are in a file of their own. @param {string} name @param {string} code */
function minified(name, code) {
  return withoutErrors(name, minifySync(name, code, { module: true }));
}

/**
 * @param {string} name
 * @param {{ code: string, errors: { message: string }[] }} result
 */
function withoutErrors(name, { code, errors }) {
  if (errors.length > 0) throw new Error(`${name}: ${errors.map(({ message }) => message).join("; ")}`);
  return code;
}
