import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addonIn } from "../../scripts/lib/cmake.mjs";
import { builtAddon, packageDir, Sandbox } from "./sandbox.js";

const copyAddon = `cp "${builtAddon}" Release/llama-native.node`;

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
  sandbox.addSources();
});
afterEach(() => {
  sandbox.remove();
});

describe("an install", () => {
  it("puts the addon and its origin where the library looks", async () => {
    sandbox.addToolchain(`echo "[1/2] compile"; echo "[2/2] link"; ${copyAddon}`);
    const { code, output } = await sandbox.run("install.mjs");
    expect({ code, output }).toMatchObject({
      code: 0,
      output: expect.stringContaining("[100%] 2/2 building") as string,
    });
    expect(readFileSync(sandbox.addon).equals(readFileSync(builtAddon))).toBe(true);
    const stamp: unknown = JSON.parse(readFileSync(join(sandbox.dist, "cpu", "build.json"), "utf8"));
    const instructionSets: unknown =
      process.platform === "linux" ? expect.stringMatching(/^[a-z]\w+( \w+)*$/) : expect.any(String);
    expect(stamp).toMatchObject({
      backend: "cpu",
      llamaCppVersion: "0.5.0",
      flags: "native",
      inputs: { instructionSets },
    });
    // x64's kernels list this one, which is no instruction set.
    expect(JSON.stringify(stamp)).not.toContain("smep");
    expect(sandbox.notBuilt).toBeUndefined();
  });

  it("does nothing the second time, in less than 5 seconds", async () => {
    sandbox.addToolchain(copyAddon);
    await sandbox.run("install.mjs");
    const second = await sandbox.run("install.mjs");
    expect(second).toMatchObject({ code: 0, output: "" });
    expect(second.milliseconds).toBeLessThan(5000);
    expect(sandbox.builds).toBe(1);
  });

  it("takes the addon from the cache when the package was deleted", async () => {
    sandbox.addToolchain(copyAddon);
    await sandbox.run("install.mjs");
    const other = join(sandbox.root, "other");
    const { milliseconds } = await sandbox.run("install.mjs", { LLAMA_NATIVE_OUT_DIR: other });
    expect(existsSync(join(other, "cpu", "llama-native.node"))).toBe(true);
    expect(milliseconds).toBeLessThan(5000);
    expect(sandbox.builds).toBe(1);
  });

  it("keeps the addon where the build tools were removed since", async () => {
    sandbox.addToolchain(copyAddon);
    await sandbox.run("install.mjs");
    const { code, output } = await sandbox.run("install.mjs", { PATH: join(sandbox.root, "empty") });
    expect({ code, output }).toEqual({ code: 0, output: "" });
    expect(sandbox.notBuilt).toBeUndefined();
  });

  it.each([
    ["a flag", { LLAMA_NATIVE_CMAKE_ARGS: "-DSOMETHING=ON" }],
    ["the target CPU", { LLAMA_NATIVE_PORTABLE: "1" }],
  ])("builds again after a change of %s", async (_what, change) => {
    sandbox.addToolchain(copyAddon);
    await sandbox.run("install.mjs");
    await sandbox.run("install.mjs", change);
    expect(sandbox.builds).toBe(2);
  });

  it("builds again after a change of llama.cpp's sources", async () => {
    sandbox.addToolchain(copyAddon);
    await sandbox.run("install.mjs");
    writeFileSync(join(sandbox.sources, "include", "llama.h"), "// changed\n");
    await sandbox.run("install.mjs");
    expect(sandbox.builds).toBe(2);
  });

  it("replaces an addon that was cut short", async () => {
    sandbox.addToolchain(copyAddon);
    await sandbox.run("install.mjs");
    writeFileSync(sandbox.addon, "half");
    await sandbox.run("install.mjs");
    expect(readFileSync(sandbox.addon).equals(readFileSync(builtAddon))).toBe(true);
  });

  it("builds nothing when told so", async () => {
    sandbox.addToolchain(copyAddon);
    const { code, output } = await sandbox.run("install.mjs", { LLAMA_NATIVE_SKIP_BUILD: "1" });
    expect(code).toBe(0);
    expect(output).toContain("LLAMA_NATIVE_SKIP_BUILD is set");
    expect(sandbox.notBuilt).toMatchObject({ reason: "skipped", message: output.trimEnd() });
    expect(sandbox.builds).toBe(0);
  });

  it("says that the addon is there where it is told to build nothing", async () => {
    sandbox.addToolchain(copyAddon);
    await sandbox.run("install.mjs");
    const { code, output } = await sandbox.run("install.mjs", { LLAMA_NATIVE_SKIP_BUILD: "1" });
    expect({ code, output }).toEqual({
      code: 0,
      output: `llama-native: nothing is built, because LLAMA_NATIVE_SKIP_BUILD is set; ${sandbox.addon} is there\n`,
    });
    expect(sandbox.notBuilt).toBeUndefined();
  });

  it("forgets why there was no addon once there is one", async () => {
    await sandbox.run("install.mjs");
    expect(sandbox.notBuilt?.reason).toBe("missing-tools");
    sandbox.addToolchain(copyAddon);
    await sandbox.run("install.mjs");
    expect(sandbox.notBuilt).toBeUndefined();
  });
});

it("an install ends well where old builds cannot be removed, as those of root or such that Windows has open", async () => {
  sandbox.addToolchain(copyAddon);
  for (const folder of ["build/old", "addons/cpu-old"]) {
    for (let index = 0; index < 8; index++) mkdirSync(join(sandbox.cache, `${folder}-${index}`), { recursive: true });
  }
  const preload = join(sandbox.root, "preload.cjs");
  const script = `const fs = require("node:fs"), { rmSync } = fs;
fs.rmSync = (path, options) => {
  if (!/old-[0-9]$/.test(path)) return rmSync(path, options);
  throw Object.assign(new Error("EACCES: permission denied, rm"), { code: "EACCES", syscall: "rm", path });
};
require("node:module").syncBuiltinESMExports();`;
  writeFileSync(preload, script);
  const { code, output } = await sandbox.run("install.mjs", { NODE_OPTIONS: `--require=${preload}` });
  expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining("built ") as string });
  expect(existsSync(sandbox.addon)).toBe(true);
  expect(sandbox.notBuilt).toBeUndefined();
});

describe("the addon that a build leaves", () => {
  const put = (...parts: string[]): string => {
    const folder = join(sandbox.root, ...parts);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, "llama-native.node");
    writeFileSync(path, "");
    return path;
  };

  it("is in a folder of the configuration's name, where Visual Studio puts it too", () => {
    const path = put("build", "Release");
    expect(addonIn(join(sandbox.root, "build"), "linux")).toBe(path);
    expect(addonIn(join(sandbox.root, "build"), "darwin")).toBe(path);
    expect(addonIn(join(sandbox.root, "build"), "win32")).toBe(path);
  });

  it("is in the build folder itself where Ninja builds on Windows", () => {
    const path = put("build");
    expect(addonIn(join(sandbox.root, "build"), "win32")).toBe(path);
  });

  it("is named where there is none", () => {
    expect(addonIn("build", "win32")).toBe(join("build", "Release", "llama-native.node"));
  });
});

describe("a build that fails", () => {
  it("leaves the install standing and names the log and the compiler's error", async () => {
    sandbox.addToolchain('echo "core/x.cpp:3:1: error: expected a semicolon"; exit 1');
    const { code, output } = await sandbox.run("install.mjs");
    expect(code).toBe(0);
    expect(output).toContain("core/x.cpp:3:1: error: expected a semicolon");
    const { reason, message, logPath } = sandbox.notBuilt!;
    expect(reason).toBe("build-failed");
    expect(output).toContain(message);
    expect(message).toContain(logPath);
    expect(readFileSync(logPath!, "utf8")).toContain("expected a semicolon");
  });

  it("fails the build by hand", async () => {
    sandbox.addToolchain("exit 3");
    const { code, output } = await sandbox.run("build.mjs");
    expect(code).toBe(1);
    expect(output).toContain("building it failed (code 3)");
  });

  const cmakeJs = JSON.stringify(join(packageDir, "node_modules", "cmake-js"));
  it.each([
    [
      "cmake-js finds no compiler",
      `require(${cmakeJs}).BuildSystem.prototype.getConfigureCommand = async () => { throw new Error("no Visual C++") };`,
      "the addon was not built, because cmake-js failed: no Visual C++; the complete output is in ",
    ],
    [
      "its own code fails",
      `Object.defineProperty(require("node:os"), "cpus", { value: () => { throw new TypeError("a defect") } });
       require("node:module").syncBuiltinESMExports();`,
      "the addon was not built, by a defect of its build: a defect; where it happened is in ",
    ],
  ])("ends no install where %s, and keeps the log", async (_what, script, words) => {
    sandbox.addToolchain(copyAddon);
    const preload = join(sandbox.root, "preload.cjs");
    writeFileSync(preload, script);
    const { code, output } = await sandbox.run("install.mjs", { NODE_OPTIONS: `--require=${preload}` });
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining(words) as string });
    const { reason, message, logPath } = sandbox.notBuilt!;
    expect(reason).toBe("build-failed");
    expect(message).toContain(words + logPath!);
    expect(readFileSync(logPath!, "utf8")).toMatch(/^\s+at /m);
  });

  it("says which folder cannot be written", async () => {
    sandbox.addToolchain(copyAddon);
    const cache = join(sandbox.root, "file");
    writeFileSync(cache, "");
    const { code, output } = await sandbox.run("install.mjs", { LLAMA_NATIVE_CACHE_DIR: cache });
    expect(code).toBe(0);
    expect(output).toMatch(/the addon was not built: E(NOTDIR|EXIST).*\nThe sources and the build are kept in .*file;/);
    expect(sandbox.notBuilt?.reason).toBe("build-failed");
  });

  it("leaves an older addon in use", async () => {
    sandbox.addToolchain(copyAddon);
    await sandbox.run("install.mjs");
    sandbox.addToolchain("exit 3");
    await sandbox.run("install.mjs", { LLAMA_NATIVE_PORTABLE: "1" });
    expect(existsSync(sandbox.addon)).toBe(true);
    expect(sandbox.notBuilt).toBeUndefined();
  });

  it("compiles only what is left once the error is gone", async () => {
    sandbox.addToolchain("touch kept; exit 1");
    await sandbox.run("install.mjs");
    sandbox.addToolchain(`test -f kept && ${copyAddon}`);
    await sandbox.run("install.mjs");
    expect(existsSync(sandbox.addon)).toBe(true);
  });

  it("is not taken for good when the sources change meanwhile", async () => {
    const touch = `touch "${join(sandbox.sources, "include", "more.h")}"`;
    sandbox.addToolchain(`test -f seen || ${touch}; touch seen; ${copyAddon}`);
    const { output } = await sandbox.run("install.mjs");
    expect(output).toContain("the sources changed while they were compiled");
    expect(sandbox.builds).toBe(2);
    expect((await sandbox.run("install.mjs")).output).toBe("");
  });

  it("refuses an addon of more than 25 MB", async () => {
    sandbox.addToolchain("dd if=/dev/zero of=Release/llama-native.node bs=1024 count=26000 2>/dev/null");
    const { output } = await sandbox.run("install.mjs");
    expect(output).toContain("the addon has 25.4 MB, more than the 25.0 MB it may take");
    expect(existsSync(sandbox.addon)).toBe(false);
  });

  it("refuses an addon that cannot be loaded", async () => {
    sandbox.addToolchain("echo nonsense > Release/llama-native.node");
    await sandbox.run("install.mjs");
    expect(sandbox.notBuilt).toMatchObject({ reason: "not-loadable" });
    expect(sandbox.notBuilt?.message).toContain("cannot be loaded: ");
    expect(existsSync(sandbox.addon)).toBe(false);
  });
});

describe("installs that meet", () => {
  it("build once when they run at the same time", async () => {
    sandbox.addToolchain(`sleep 1; ${copyAddon}`);
    const other = join(sandbox.root, "other");
    const outcomes = await Promise.all([
      sandbox.run("install.mjs"),
      sandbox.run("install.mjs", { LLAMA_NATIVE_OUT_DIR: other }),
    ]);
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0]);
    expect(outcomes.filter(({ output }) => output.includes("waiting for another install"))).toHaveLength(1);
    expect(existsSync(sandbox.addon) && existsSync(join(other, "cpu", "llama-native.node"))).toBe(true);
    expect(sandbox.builds).toBe(1);
  });

  it("go on after one was killed in the middle of a build", async () => {
    sandbox.addToolchain(`sleep 20; ${copyAddon}`);
    const [child, killed] = sandbox.start("install.mjs");
    while (sandbox.builds === 0) await sleep(50);
    child.kill("SIGKILL");
    // Its CMake is an orphan now, which nothing waits for.
    await Promise.race([killed, sleep(500)]);
    sandbox.addToolchain(copyAddon);
    const { code, milliseconds } = await sandbox.run("install.mjs");
    expect(code).toBe(0);
    expect(existsSync(sandbox.addon)).toBe(true);
    expect(milliseconds).toBeLessThan(5000);
  });

  it("leave no lock behind when they are interrupted", async () => {
    sandbox.addToolchain(`exec sleep 20`);
    const [child, outcome] = sandbox.start("install.mjs");
    while (sandbox.builds === 0) await sleep(50);
    child.kill("SIGINT");
    expect((await outcome).code).toBe(130);
    sandbox.addToolchain(copyAddon);
    const next = await sandbox.run("install.mjs");
    expect(next.output).not.toContain("waiting");
    expect(existsSync(sandbox.addon)).toBe(true);
  });
});
