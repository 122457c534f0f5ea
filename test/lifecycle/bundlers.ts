import { writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import * as esbuild from "esbuild";
import { rolldown } from "rolldown";
import { build as viteBuild } from "vite";
import webpack from "webpack";

import { BUNDLED_PROGRAM } from "../../scripts/runtimes/bundled-program.mjs";

export interface BundleOptions {
  /** The program, and where the bundle of it goes. */
  input: string;
  file: string;
  format: "esm" | "cjs";
  /** Whether llama-native stays in its package. */
  external: boolean;
  /** As bundlers do that have no `import.meta` in CommonJS. */
  define?: Record<string, string>;
}

type Bundle = (options: BundleOptions) => Promise<void>;

const packages = ["llama-native", "llama-native/server"];

/** Each as a program for Node is bundled with it, all of it in one file. */
export const bundlers: Record<string, Bundle> = {
  Rolldown: useRolldown,
  Vite: useVite,
  esbuild: useEsbuild,
  webpack: useWebpack,
};

async function useRolldown({ input, file, format, external, define = {} }: BundleOptions): Promise<void> {
  await using made = await rolldown({
    input,
    platform: "node",
    external: external ? packages : [],
    transform: { define },
    logLevel: "silent",
  });
  await made.write({ file, format, codeSplitting: false });
}

/** Its build for servers, which leaves packages external unless it is told otherwise. */
async function useVite({ input, file, format, external }: BundleOptions): Promise<void> {
  await viteBuild({
    root: dirname(input),
    configFile: false,
    logLevel: "silent",
    ssr: external ? {} : { noExternal: true },
    build: {
      ssr: input,
      outDir: dirname(file),
      emptyOutDir: false,
      copyPublicDir: false,
      rolldownOptions: { output: { format, entryFileNames: basename(file), codeSplitting: false } },
    },
  });
}

async function useEsbuild({ input, file, format, external }: BundleOptions): Promise<void> {
  await esbuild.build({
    entryPoints: [input],
    outfile: file,
    format,
    bundle: true,
    platform: "node",
    target: "node20",
    external: external ? packages : [],
    logLevel: "error",
    logOverride: { "empty-import-meta": "silent" },
  });
}

async function useWebpack({ input, file, format, external }: BundleOptions): Promise<void> {
  const esm = format === "esm";
  const compiler = webpack({
    entry: input,
    target: "node20",
    mode: "none",
    output: {
      path: join(file, ".."),
      filename: file.slice(file.lastIndexOf("/") + 1),
      module: esm,
      asyncChunks: false,
      ...(esm && { chunkFormat: "module" }),
    },
    experiments: { outputModule: esm },
    externals: external
      ? Object.fromEntries(packages.map((name) => [name, `${esm ? "module" : "commonjs"} ${name}`]))
      : {},
  });
  if (compiler === null) throw new Error("Expected a compiler of webpack");
  await new Promise<void>((resolve, reject) => {
    compiler.run((error, stats) => {
      if (error !== null) reject(error);
      else if (stats?.hasErrors() === true) reject(new Error(stats.toString("errors-only")));
      else resolve();
    });
  });
  await new Promise<void>((resolve) => compiler.close(() => resolve()));
}

/** Writes the program in one file of any format. */
export async function writeProgram(path: string): Promise<void> {
  await writeFile(path, BUNDLED_PROGRAM);
}
