import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { packageDir } from "./sandbox.js";

const names = ["THIS_CPU", "EXCLUDE_LIBS", "STATIC_RUNTIME"] as const;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "llama-native-flags-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** What native/cmake/compiler_flags.cmake finds by a compiler that refuses these options, and is this machine's own otherwise. */
function flags(refused: string[], settings: string[] = []): Record<(typeof names)[number], string> {
  const compiler = join(root, "c++");
  const cases = [...refused, "--nothing"].join("|");
  writeFileSync(
    compiler,
    `#!/bin/sh\nfor option; do case "$option" in ${cases}) echo "error: $option" >&2; exit 1 ;; esac; done\nexec c++ "$@"\n`,
  );
  chmodSync(compiler, 0o755);
  const source = join(root, "source");
  mkdirSync(source);
  const printed = names.map((name) => `"${name}=\${LLAMA_NATIVE_${name}}\\n"`).join(" ");
  writeFileSync(
    join(source, "CMakeLists.txt"),
    `cmake_minimum_required(VERSION 3.20)
project(flags CXX)
include(${join(packageDir, "native", "cmake", "compiler_flags.cmake")})
file(WRITE \${CMAKE_BINARY_DIR}/found ${printed})
`,
  );
  const build = join(root, "build");
  execFileSync("cmake", ["-S", source, "-B", build, `-DCMAKE_CXX_COMPILER=${compiler}`, ...settings]);
  const lines = readFileSync(join(build, "found"), "utf8").trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/).slice(0, 2))) as ReturnType<typeof flags>;
}

describe.runIf(process.platform === "linux")("the build's options", () => {
  it("are those of this machine's compiler", () => {
    expect(flags([])).toEqual({
      THIS_CPU: "-march=native",
      EXCLUDE_LIBS: "-Wl,--exclude-libs,ALL",
      STATIC_RUNTIME: "-static-libstdc++;-static-libgcc",
    });
  });

  it("do without libstdc++ inside where a system has none to put there, as Fedora", () => {
    expect(flags(["-static-libstdc++"])).toMatchObject({ STATIC_RUNTIME: "" });
  });

  it("have it in packages all the same, which are for other systems", () => {
    expect(flags(["-static-libstdc++"], ["-DLLAMA_NATIVE_VARIANTS=ON"]).STATIC_RUNTIME).toContain("-static-libstdc++");
  });

  it("name this CPU as the compiler knows it, or not at all", () => {
    // GCC of x86-64 takes -mcpu for an old name of -mtune, and so stands for the compilers that have it alone.
    expect(flags(["-march=native"])).toMatchObject({ THIS_CPU: "-mcpu=native" });
  });

  it("do not name it where the compiler cannot", () => {
    expect(flags(["-march=native", "-mcpu=native"])).toMatchObject({ THIS_CPU: "" });
  });
});
