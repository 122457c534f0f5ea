import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { packageVersion } from "../../src/native/own-package.js";
import { packageDir } from "../support/compiled.js";
import { startHub } from "../support/hub/hub-server.js";
import { tinyModel } from "../support/models.js";
import { bundlers, writeProgram } from "./bundlers.js";

const run = promisify(execFile);
const dist = join(packageDir, "native", "dist");
const works = `3 200 ${packageVersion}`;

const cases = Object.keys(bundlers).flatMap((bundler) =>
  (["esm", "cjs"] as const).map((format) => ({ bundler, format })),
);
const nameOf = (bundler: string, format: string, external: boolean): string =>
  `${bundler}-${external ? "external" : "inside"}.${format === "esm" ? "mjs" : "cjs"}`;

let folder: string;

/**
 * Bundles are made beside an installed copy of the package. Then the copy is moved, so that nothing is left where the bundles
 * were made: `installed` has the package, `outdated` another version of it, and `alone` none.
 */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "llama-native-bundled-"));
  const workshop = join(folder, "workshop");
  await installCopy(workshop);
  await symlink(join(packageDir, "node_modules"), join(folder, "node_modules"));
  await writeProgram(join(workshop, "program.mjs"));
  for (const { bundler, format } of cases) {
    for (const external of [false, true]) {
      const file = join(workshop, nameOf(bundler, format, external));
      await bundlers[bundler]?.({ input: join(workshop, "program.mjs"), file, format, external });
    }
  }
  await bundlers["Rolldown"]?.({
    input: join(workshop, "program.mjs"),
    file: join(workshop, "bare.cjs"),
    format: "cjs",
    external: false,
    define: { "import.meta.url": "undefined" },
  });
  await rename(workshop, join(folder, "installed"));
  await cp(join(folder, "installed"), join(folder, "outdated"), { recursive: true, verbatimSymlinks: true });
  await changeVersion(join(folder, "outdated", "node_modules", "llama-native", "package.json"));
  await mkdir(join(folder, "alone"));
  for (const { bundler, format } of cases) {
    const name = nameOf(bundler, format, false);
    await cp(join(folder, "installed", name), join(folder, "alone", name));
  }
  await cp(join(folder, "installed", "bare.cjs"), join(folder, "alone", "bare.cjs"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The published package, with the addon that is built here. */
async function installCopy(place: string): Promise<void> {
  const target = join(place, "node_modules", "llama-native");
  await mkdir(join(target, "native"), { recursive: true });
  for (const name of ["dist", "scripts/lib", "package.json"]) {
    await cp(join(packageDir, name), join(target, name), { recursive: true });
  }
  await symlink(dist, join(target, "native", "dist"));
}

async function changeVersion(path: string): Promise<void> {
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace(`"version": "${packageVersion}"`, '"version": "0.0.1"'));
}

async function outputOf(place: string, name: string, more: NodeJS.ProcessEnv = {}): Promise<string> {
  const clean = { LLAMA_NATIVE_OUT_DIR: "", LLAMA_NATIVE_ADDON: "", LLAMA_NATIVE_CACHE_DIR: join(folder, "cache") };
  const env = { ...process.env, ...clean, MODEL: await tinyModel(), ...more };
  const { stdout } = await run(process.execPath, [join(folder, place, name)], { env });
  return stdout.trim();
}

describe.each(cases)("$bundler, $format", ({ bundler, format }) => {
  const inside = nameOf(bundler, format, false);

  test("runs a model and the server, with llama-native left external", async () => {
    expect(await outputOf("installed", nameOf(bundler, format, true))).toBe(works);
  });

  test("runs them bundled in, with the addon of the package that is installed there", async () => {
    expect(await outputOf("installed", inside)).toBe(works);
  });

  test("runs them alone, with the addon that a variable names", async () => {
    expect(await outputOf("alone", inside, { LLAMA_NATIVE_OUT_DIR: dist })).toBe(works);
  });

  test("says which variable where none does", async () => {
    const said = /^NOT_BUILT .*no llama-native is installed .*set LLAMA_NATIVE_OUT_DIR to the folder native\/dist/;
    expect(await outputOf("alone", inside)).toMatch(said);
  });

  test("takes no addon of another version", async () => {
    const said = /^NOT_BUILT .*outdated.*is llama-native 0\.0\.1, and the bundle holds .*; set LLAMA_NATIVE_OUT_DIR/;
    expect(await outputOf("outdated", inside)).toMatch(said);
  });
});

test("CommonJS of which nothing is left of import.meta finds the installed package by its own file", async () => {
  expect(await outputOf("installed", "bare.cjs")).toBe(works);
  const addon = join(dist, "cpu", "llama-native.node");
  expect(await outputOf("alone", "bare.cjs", { LLAMA_NATIVE_ADDON: addon })).toBe(works);
  expect(await outputOf("alone", "bare.cjs")).toMatch(/^NOT_BUILT .*set LLAMA_NATIVE_OUT_DIR/);
});

test.each(Object.keys(bundlers))(
  "a bundle of %s downloads, which takes the lock of the build scripts",
  async (bundler) => {
    const hub = await startHub({ "one/model": { files: { "tiny.gguf": await readFile(await tinyModel()) } } });
    try {
      const model = `${hub.url}/one/model/resolve/main/tiny.gguf`;
      const more = {
        MODEL: model,
        HF_ENDPOINT: hub.url,
        HF_HOME: join(folder, bundler),
        LLAMA_NATIVE_CACHE_DIR: join(folder, bundler),
      };
      expect(await outputOf("installed", nameOf(bundler, "esm", false), more)).toBe(works);
    } finally {
      await hub.close();
    }
  },
);
