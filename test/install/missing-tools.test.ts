import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { missingToolsMessage } from "../../scripts/lib/missing-tools.mjs";
import { MIN_CMAKE } from "../../scripts/lib/toolchain.mjs";
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
    const lines = missingToolsMessage({ missing: [missing], compiler: null }, {}, platform).split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain(command);
  });
});
