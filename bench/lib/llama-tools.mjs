// llama.cpp's own bench and server, built once from the sources the addon is built from and kept in the cache folder.
// They are built as llama.cpp builds them: its threads and its barriers are its own (the addon changes how threads wait).

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";

import { decideJobs } from "../../scripts/lib/jobs.mjs";
import { withLock } from "../../scripts/lib/lock.mjs";
import { cacheDir, packageDir } from "../../scripts/lib/paths.mjs";
import { LLAMA_CPP_VERSION } from "../../scripts/lib/pins.mjs";
import { run } from "../../scripts/lib/run.mjs";
import { resolveSources } from "../../scripts/lib/sources.mjs";
import { detectToolchain } from "../../scripts/lib/toolchain.mjs";

const TARGETS = /** @type {const} */ (["llama-bench", "llama-server"]);

/** The addon's settings (native/CMakeLists.txt), and nothing in it that neither tool needs. */
const SETTINGS = [
  ...["CMAKE_BUILD_TYPE=Release", "BUILD_SHARED_LIBS=OFF", "GGML_NATIVE=ON", "GGML_OPENMP=OFF"],
  ...["BUILD_TESTS", "BUILD_EXAMPLES", "BUILD_APP", "BUILD_UI", "USE_PREBUILT_UI", "OPENSSL", "BUILD_IS_DEV"].map(
    (name) => `LLAMA_${name}=OFF`,
  ),
  "LLAMA_BUILD_NUMBER=0",
  `LLAMA_BUILD_COMMIT=v${LLAMA_CPP_VERSION}`,
];

/**
 * @typedef {{ "llama-bench": string, "llama-server": string }} LlamaTools paths of the programs
 */

/**
 * @param {(line: string) => void} log
 * @returns {Promise<LlamaTools>}
 */
export async function buildLlamaTools(log) {
  const found = detectToolchain();
  if ("missing" in found) throw new Error(`llama.cpp's tools cannot be built without ${found.missing.join(", ")}`);
  const { toolchain } = found;
  const folder = join(cacheDir(), "bench", `llama.cpp-${LLAMA_CPP_VERSION}-${fingerprint(toolchain)}`);
  const bin = join(folder, "bin");
  const tools = { "llama-bench": join(bin, "llama-bench"), "llama-server": join(bin, "llama-server") };
  const marker = join(folder, "built");
  if (existsSync(marker)) return tools;
  await withLock(
    `${folder}.lock`,
    async () => {
      if (existsSync(marker)) return;
      await build(folder, toolchain, log);
      const temporary = `${marker}.tmp`;
      writeFileSync(temporary, "");
      renameSync(temporary, marker);
    },
    { onWait: () => log("waiting for another process that builds llama.cpp's tools") },
  );
  return tools;
}

/**
 * @param {string} folder
 * @param {import("../../scripts/lib/toolchain.mjs").Toolchain} toolchain
 * @param {(line: string) => void} log
 */
async function build(folder, { cmake, compiler, cCompiler, generator, ccache }, log) {
  // A published package carries no tools of llama.cpp, so that its sources are passed over.
  const sources = await resolveSources({ cache: cacheDir(), env: process.env, log, packed: join(packageDir, "none") });
  if (!existsSync(join(sources, "tools", "server"))) throw new Error(`${sources} has no tools of llama.cpp`);
  log(`building ${TARGETS.join(" and ")} ${LLAMA_CPP_VERSION}, once`);
  if (generator !== "Ninja") rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const launchers = ccache === null ? [] : ["C", "CXX"].map((name) => `CMAKE_${name}_COMPILER_LAUNCHER=${ccache}`);
  const compilers = cCompiler === null ? [] : [`CMAKE_C_COMPILER=${cCompiler}`, `CMAKE_CXX_COMPILER=${compiler.path}`];
  // Without it, both tools crash on processors with AMX where the compiler is of a certain age.
  const flags = `CMAKE_CXX_FLAGS=-include ${join(packageDir, "native/cmake/tile_config.h")}`;
  const definitions = [...SETTINGS, flags, ...launchers, ...compilers].map((setting) => `-D${setting}`);
  const generate = generator === null ? [] : ["-G", generator];
  // llama.cpp asks git for its version; without history of its own it must not report this project's.
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(sources) };
  await step(cmake.path, ["-S", sources, "-B", folder, ...generate, ...definitions], env);
  const jobs = ["--parallel", String(decideJobs().jobs)];
  await step(cmake.path, ["--build", folder, "--config", "Release", "--target", ...TARGETS, ...jobs], env);
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
async function step(program, args, env) {
  const { code, output } = await run(program, args, { env });
  if (code !== 0) throw new Error(`llama.cpp's tools were not built:\n${output.split("\n").slice(-15).join("\n")}`);
}

/**
 * What the programs depend on besides the sources.
 * @param {import("../../scripts/lib/toolchain.mjs").Toolchain} toolchain
 */
function fingerprint({ compiler, cmake, generator }) {
  const parts = [SETTINGS, compiler, cmake, generator, cpus()[0]?.model, process.env.LLAMA_NATIVE_SOURCE_DIR];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 10);
}
