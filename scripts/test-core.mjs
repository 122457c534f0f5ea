// Compiles and runs the tests of those parts of native/core that need neither Node nor a model, with the address and
// undefined behaviour sanitizers.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { cacheDir, packageDir } from "./lib/paths.mjs";
import { resolveSources } from "./lib/sources.mjs";

const units = [
  "text_stream",
  "cell_ledger",
  "schedule",
  "top_k",
  "prompt_lookup",
  "draft_policy",
  "checkpoints",
  "sequence_store",
];

const sources = await resolveSources({ cache: cacheDir(), env: process.env, log: (line) => console.log(line) });
const tests = readdirSync(join(packageDir, "test/core")).filter((name) => name.endsWith(".cpp"));
const folder = mkdtempSync(join(tmpdir(), "llama-native-core-"));
try {
  const program = join(folder, "core-tests");
  const compiler = process.env.CXX ?? "c++";
  execFileSync(
    compiler,
    [
      ...[
        "-std=c++17",
        "-g",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover",
      ],
      ...[join(packageDir, "native"), join(packageDir, "test/core")].map((path) => `-I${path}`),
      ...["include", "ggml/include"].map((path) => `-isystem${join(sources, path)}`),
      ...tests.map((name) => join(packageDir, "test/core", name)),
      ...units.map((name) => join(packageDir, "native/core", `${name}.cpp`)),
      "-o",
      program,
    ],
    { stdio: "inherit" },
  );
  execFileSync(program, { stdio: "inherit" });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
