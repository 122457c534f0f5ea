import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { tinyModel } from "../support/models.js";

const root = join(import.meta.dirname, "../..");
const dist = join(root, "native", "dist");
const run = promisify(execFile);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "llama-native-bundled-"));
  const program = `import { loadModel } from ${JSON.stringify(join(root, "dist", "index.js"))};
    loadModel(process.env.MODEL).then(async (model) => {
      const context = await model.createContext({ contextSize: 128 });
      const { usage } = await context.generate({ prompt: "x", maxTokens: 3, ignoreEos: true });
      await model.dispose();
      console.log(usage.completionTokens);
    }).catch(({ code, message }) => console.log(code, message));`;
  await writeFile(join(folder, "program.mjs"), program);
});
afterAll(() => rm(folder, { recursive: true }));

/** llama-native and what it depends on in one file; with `define` as bundlers do that have no `import.meta` in CommonJS. */
async function bundle(name: string, format: "esm" | "cjs", define: Record<string, string> = {}): Promise<string> {
  const file = join(folder, name);
  const input = join(folder, "program.mjs");
  await using made = await rolldown({ input, platform: "node", transform: { define }, logLevel: "silent" });
  await made.write({ file, format, codeSplitting: false });
  return file;
}

async function outputOf(file: string, more: NodeJS.ProcessEnv): Promise<string> {
  const env = { ...process.env, LLAMA_NATIVE_OUT_DIR: "", LLAMA_NATIVE_ADDON: "", MODEL: await tinyModel(), ...more };
  const { stdout } = await run(process.execPath, [file], { env });
  return stdout.trim();
}

describe.each([
  ["an ES module", "esm.mjs", "esm", {}],
  ["CommonJS", "commonjs.cjs", "cjs", {}],
  ["CommonJS without import.meta", "bare.cjs", "cjs", { "import.meta.url": "undefined" }],
] as const)("bundled into %s", (_, name, format, define) => {
  test("runs a model with the addon that a variable names, and says which where none does", async () => {
    const file = await bundle(name, format, define);
    expect(await outputOf(file, { LLAMA_NATIVE_OUT_DIR: dist })).toBe("3");
    expect(await outputOf(file, { LLAMA_NATIVE_ADDON: join(dist, "cpu", "llama-native.node") })).toBe("3");
    expect(await outputOf(file, {})).toMatch(/^NOT_BUILT .*set LLAMA_NATIVE_OUT_DIR to the folder native\/dist/);
  });
});
