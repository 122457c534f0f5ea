import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cmakeSettings } from "../../scripts/lib/cmake.mjs";
import { withPlainCompilers } from "../../scripts/lib/compilers.mjs";
import { missingToolsMessage } from "../../scripts/lib/missing-tools.mjs";
import type { Toolchain } from "../../scripts/lib/toolchain.mjs";
import { detectToolchain, MIN_CMAKE } from "../../scripts/lib/toolchain.mjs";
import { packageDir, Sandbox } from "./sandbox.js";

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => {
  sandbox.remove();
});

interface Case {
  present: string[];
  missing: string;
  command: string;
}

const cases: Case[] = [
  {
    present: ["cc", "c++", "ninja", "apt-get"],
    missing: "CMake is missing",
    command: "sudo apt-get install -y cmake",
  },
  {
    present: ["cmake", "make", "apt-get"],
    missing: "a C++17 compiler is missing",
    command: "sudo apt-get install -y g++",
  },
  {
    present: ["apt-get"],
    missing: "CMake and a C++17 compiler and Ninja or Make are missing",
    command: "sudo apt-get install -y cmake g++ ninja-build",
  },
  {
    present: ["cc", "c++", "make", "dnf"],
    missing: "CMake is missing",
    command: "sudo dnf install -y cmake",
  },
  {
    present: ["cc", "c++", "cmake", "apk"],
    missing: "Ninja or Make is missing",
    command: "apk add ninja",
  },
];

describe.runIf(process.platform === "linux")("an install without build tools", () => {
  it.each(cases)("with $present says: $missing", async ({ present, missing, command }) => {
    for (const name of present) sandbox.addTool(name);
    const { code, output } = await sandbox.run("install.mjs");
    expect(code).toBe(0);
    const lines = output.trimEnd().split("\n");
    expect(lines).toEqual([
      `llama-native: the addon was not built, because ${missing}.`,
      `To get it, run: ${command} && npx llama-native build`,
    ]);
    expect(sandbox.notBuilt).toMatchObject({ reason: "missing-tools", message: lines.join("\n"), logPath: null });
  });

  it.each(["3.10.2", "3.19.8"])("asks for a newer CMake where there is %s", async (version) => {
    for (const name of ["cc", "c++", "ninja", "apt-get"]) sandbox.addTool(name);
    sandbox.addTool("cmake", `echo "cmake version ${version}"`);
    const { code, output } = await sandbox.run("install.mjs");
    expect(code).toBe(0);
    expect(output).toContain("because CMake 3.20 or newer is missing.\nTo get it, run: pip install cmake &&");
  });

  it("takes a compiler that does not run for a missing one", async () => {
    for (const name of ["cmake", "ninja", "apt-get"]) sandbox.addTool(name);
    for (const name of ["cc", "c++"]) sandbox.addTool(name, "exit 1");
    const { output } = await sandbox.run("install.mjs");
    expect(output).toContain("a C++17 compiler is missing");
  });

  it("fails with the same words when the build was asked for", async () => {
    const installed = await sandbox.run("install.mjs");
    const built = await sandbox.run("build.mjs");
    expect(built).toMatchObject({ code: 1, output: installed.output });
  });
});

it("what is asked of CMake is what the build asks for", () => {
  const asked = /cmake_minimum_required\(VERSION (\d+)\.(\d+)\)/.exec(
    readFileSync(join(packageDir, "native", "CMakeLists.txt"), "utf8"),
  );
  expect(asked?.slice(1).map(Number)).toEqual([MIN_CMAKE.major, MIN_CMAKE.minor]);
});

describe("what to install", () => {
  it.each([
    { platform: "darwin", missing: "cmake", command: "brew install cmake" },
    { platform: "darwin", missing: "compiler", command: "xcode-select --install" },
    { platform: "darwin", missing: "compiler-too-old", command: "softwareupdate --install --all" },
    { platform: "win32", missing: "cmake", command: "winget install Kitware.CMake" },
    { platform: "win32", missing: "compiler", command: "winget install Microsoft.VisualStudio.2022.BuildTools" },
  ] as const)("on $platform without $missing", ({ platform, missing, command }) => {
    const machine = { platform, arch: "x64" };
    const lines = missingToolsMessage({ missing: [missing], compiler: null }, {}, machine).split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain(command);
    expect(lines[1]).not.toContain("Llvm");
  });
});

describe.runIf(process.platform !== "win32")("Visual Studio", () => {
  const arm = { platform: "win32", arch: "arm64" } as const;
  const clang = ["Llvm.Clang", "Llvm.ClangToolset"].map((name) => `Microsoft.VisualStudio.Component.VC.${name}`);

  interface VisualStudio {
    machine: { readonly platform: "win32"; readonly arch: string };
    version: string;
    cmake: string;
    env: NodeJS.ProcessEnv;
  }

  /** Stands for vswhere on a machine whose Visual Studio has these components. */
  function addVisualStudio(
    components: string[],
    { machine = arm, version = "17.9.34728.123", cmake = "cmake version 9.9.9", env }: Partial<VisualStudio> = {},
  ): ReturnType<typeof detectToolchain> {
    const folder = join(sandbox.root, "Microsoft Visual Studio", "Installer");
    mkdirSync(folder, { recursive: true });
    const known = components.map((name) => `Microsoft.VisualStudio.Component.VC.${name}`).join(" ");
    const script = `#!/bin/sh
for argument; do
  case "$argument" in
  Microsoft.*) case " ${known} " in *" $argument "*) ;; *) exit 0 ;; esac ;;
  installationPath) echo "C:\\VS" ;;
  installationVersion) echo "${version}" ;;
  esac
done
`;
    writeFileSync(join(folder, "vswhere.exe"), script, { mode: 0o755 });
    sandbox.addTool("cmake", `echo "${cmake}"`);
    return detectToolchain({ PATH: sandbox.bin, "ProgramFiles(x86)": sandbox.root, ...env }, machine);
  }

  it("needs its own Clang for ARM, which ggml takes alone there", () => {
    expect(addVisualStudio(["Tools.x86.x64", "Tools.ARM64"])).toMatchObject({ missing: ["compiler"] });
    const found = addVisualStudio(["Tools.ARM64", "Llvm.Clang", "Llvm.ClangToolset"]);
    const compiler = { version: "Visual Studio 17.9.34728.123" };
    expect(found).toMatchObject({ toolchain: { compiler, toolset: "ClangCL" } });
  });

  it.each([
    ["18.1.0", "cmake version 4.1.2", "CMake 4.2 or newer"],
    ["17.9.34728.123", "cmake version 3.20.6", "CMake 3.21 or newer"],
    ["16.11.4", "cmake version 3.19.8", "CMake 3.20 or newer"],
  ])("%s needs a CMake that knows it, which %s is not", (version, cmake, wanted) => {
    const machine = { platform: "win32", arch: "x64" } as const;
    const found = addVisualStudio(["Tools.x86.x64"], { machine, version, cmake });
    if (!("missing" in found)) throw new Error("found a toolchain");
    expect(found.missing).toEqual(["cmake-too-old"]);
    const [what, remedy] = missingToolsMessage(found, {}, machine).split("\n");
    expect(what).toContain(`because ${wanted} is missing`);
    expect(remedy).toBe("To get it, run: winget install Kitware.CMake; then in a new terminal npx llama-native build");
  });

  it("is the one whose command prompt it is, as cmake-js takes no other", () => {
    const cmake = "cmake version 3.31.6";
    const latest = { machine: { platform: "win32", arch: "x64" }, version: "18.1.0", cmake } as const;
    expect(addVisualStudio(["Tools.x86.x64"], latest)).toMatchObject({ missing: ["cmake-too-old"] });
    const prompt = { VCINSTALLDIR: "/VS2022/VC/", VSCMD_VER: "17.14.1" };
    const compiler = { path: "/VS2022", version: "Visual Studio 17.14.1" };
    expect(addVisualStudio(["Tools.x86.x64"], { ...latest, env: prompt })).toMatchObject({ toolchain: { compiler } });
  });

  it("has no use for CC and CXX, whatever they say", () => {
    const env = { CXX: "g++ -pipe", CC: '"C:\\Program Files\\LLVM\\bin\\clang.exe"' };
    expect(withPlainCompilers(env, "win32")).toBe(env);
  });

  it("is asked for with both by what is to be installed", () => {
    const [what, remedy] = missingToolsMessage({ missing: ["compiler"], compiler: null }, {}, arm).split("\n");
    expect(what).toContain("because Visual Studio with its tools for ARM64 and its Clang is missing");
    for (const name of [...clang, "Microsoft.VisualStudio.Component.VC.Tools.ARM64"]) {
      expect(remedy).toMatch(new RegExp(` --add ${name}[ "]`));
    }
  });

  it("is told which compiler to use, unless the user tells it", () => {
    const cmake = { path: "cmake", version: "cmake version 3.30.0" };
    const toolchain: Toolchain = {
      cmake,
      compiler: cmake,
      cCompiler: null,
      generator: null,
      toolset: "ClangCL",
      ccache: null,
    };
    const what = { llamaDir: "llama.cpp", toolchain, portable: false, backend: "cpu" } as const;
    const toolsets = (args: string, gpuSettings: string[] = []): string[] =>
      cmakeSettings({ ...what, gpuSettings, env: { LLAMA_NATIVE_CMAKE_ARGS: args } }).filter((arg) =>
        /^-T|^v143/.test(arg),
      );
    expect(toolsets("")).toEqual(["-TClangCL"]);
    // CMake refuses a second.
    expect(toolsets("-T v143")).toEqual(["-T", "v143"]);
    expect(toolsets("-DGGML_LTO=ON -Tv143", ["-Tcuda=C:\\CUDA"])).toEqual(["-Tv143"]);
  });

  it("are one where they are in quotes, whatever blanks they have", () => {
    const toolchain: Toolchain = {
      ...{ cmake: { path: "/usr/bin/cmake", version: "cmake version 3.25.1" }, cCompiler: null, generator: null },
      ...{ compiler: { path: "/usr/bin/c++", version: "c++ 12" }, toolset: null, ccache: null },
    };
    const what = { llamaDir: "llama.cpp", toolchain, portable: false, backend: "cpu", gpuSettings: [] } as const;
    const args = ` -DA="/opt/my libs"  '-DB=x y' -DC="" "-DD='q'" -DE=a"b c"d -DF=o'brien`;
    const env = { LLAMA_NATIVE_CMAKE_ARGS: args };
    expect(cmakeSettings({ ...what, gpuSettings: [], env }).filter((arg) => /^-D[A-F]=/.test(arg))).toEqual([
      "-DA=/opt/my libs",
      "-DB=x y",
      "-DC=",
      "-DD='q'",
      "-DE=ab cd",
      "-DF=o'brien",
    ]);
  });
});
