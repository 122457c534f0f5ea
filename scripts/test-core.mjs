// Compiles and runs the tests of those parts of native/ that need neither Node nor a model, with the address and undefined
// behaviour sanitizers. For another processor with CXX, its instructions, and an emulator:
//
//   CXX=aarch64-linux-gnu-g++ ASAN_OPTIONS=detect_leaks=0 node scripts/test-core.mjs --march armv8-a --march armv8.2-a+sve \
//     --run-with "qemu-aarch64 -L /usr/aarch64-linux-gnu"

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

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
// What attention and products need of ggml; its CPU backend is not among it, the test has threads of its own.
const ggmlSources = ["ggml.c", "ggml-quants.c", "ggml-threading.cpp", "ggml-cpu/vec.cpp"];

const { values: options } = parseArgs({
  options: {
    march: { type: "string", multiple: true, default: ["native"] },
    "run-with": { type: "string", default: "" },
  },
});
const emulator = options["run-with"].split(" ").filter((part) => part !== "");
const compiler = process.env.CXX ?? "c++";
const sources = await resolveSources({ cache: cacheDir(), env: process.env, log: (line) => console.log(line) });
const tests = join(packageDir, "test/core");
const folder = mkdtempSync(join(tmpdir(), "llama-native-core-"));
const headers = ["include", "ggml/include", "ggml/src", "ggml/src/ggml-cpu"].map(
  (path) => `-isystem${join(sources, path)}`,
);
// Lines and functions are all that a sanitizer tells; variables take the compiler a while.
const sanitizers = ["-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover"];
const strict = ["-std=c++17", "-Wall", "-Wextra", "-Werror", `-I${join(packageDir, "native")}`, `-I${tests}`];

/** @param {string} path */
const testsIn = (path) =>
  readdirSync(path)
    .filter((name) => name.endsWith("_test.cpp"))
    .map((name) => join(path, name));

/** @param {string[]} args */
const compile = (args) => {
  execFileSync(compiler, [...sanitizers, ...headers, ...args], { stdio: "inherit" });
};

/** @param {string} test */
const execute = (test) => {
  const [program = test, ...args] = [...emulator, test];
  execFileSync(program, args, { stdio: "inherit" });
};

const machines = options.march.map((name) => `-march=${name}`);
/** What the compiler defines for the first of the machines. */
const defined = execFileSync(compiler, [...machines.slice(0, 1), "-dM", "-E", "-xc++", "/dev/null"], {
  encoding: "utf8",
});
/** Whether kernels for this machine are others than those for AVX2. */
const hasWideVectors = defined.includes("__AVX512BW__");
/** Unrolled loops with a check at each access, not a call of one, take a minute to compile. */
const callsChecks = defined.includes("__clang__")
  ? ["-mllvm", "-asan-instrumentation-with-call-threshold=100"]
  : ["--param", "asan-instrumentation-with-call-threshold=100"];

try {
  const main = join(tests, "main.cpp");
  const core = join(folder, "core-tests");
  const parts = units.map((name) => join(packageDir, "native/core", `${name}.cpp`));
  compile(["-O1", ...strict, ...testsIn(tests), main, ...parts, "-o", core]);
  execute(core);

  writeFileSync(join(folder, "ggml-version.h"), '#define GGML_VERSION "test"\n#define GGML_COMMIT "test"\n');
  const objects = ggmlSources.map((name) => {
    const object = join(folder, `${name.replaceAll("/", "-")}.o`);
    const language = name.endsWith(".c") ? ["-xc", "-std=gnu11"] : ["-xc++", "-std=c++17"];
    compile([
      "-O1",
      "-w",
      ...language,
      "-D_GNU_SOURCE",
      `-I${folder}`,
      "-c",
      join(sources, "ggml/src", name),
      "-o",
      object,
    ]);
    return object;
  });
  /** @param {string} name @param {string[]} optimized @param {string[]} instructions */
  const runWithGgml = (name, optimized, instructions) => {
    const program = join(folder, `${name}-tests`);
    // GCC 12 warns of its own header of AVX-512.
    const lenient = ["-Wno-uninitialized", "-Wno-maybe-uninitialized"];
    const tested = testsIn(join(tests, name)).map((path, index) => {
      const object = join(folder, `${name}-${index}.o`);
      compile([...optimized, ...instructions, ...strict, ...lenient, "-c", path, "-o", object]);
      return object;
    });
    compile([...strict, main, ...tested, ...objects, "-o", program]);
    execute(program);
  };
  for (const machine of machines) runWithGgml("attention", ["-O2"], [machine]);
  if (defined.includes("__x86_64__")) {
    // With what this machine has, and what every build has. (The other sanitizer makes the unrolled loops take minutes.)
    const optimized = ["-O1", "-fno-sanitize=undefined", ...callsChecks];
    for (const machine of machines) runWithGgml("products", optimized, [machine]);
    if (hasWideVectors) runWithGgml("products", optimized, ["-mavx2", "-mfma", "-mf16c"]);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
