import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { builtAddon, Sandbox } from "./sandbox.js";

const copyAddon = `cp "${builtAddon}" Release/llama-native.node`;

let sandbox: Sandbox;
beforeEach(() => {
  // Paths that a shell and an old encoding would both break.
  sandbox = new Sandbox("llama native ü 模型 ");
  sandbox.addSources();
  sandbox.addToolchain(copyAddon);
});
afterEach(() => {
  sandbox.remove();
});

/** The machine is well again: the next install gives an addon. */
async function expectRepaired(): Promise<void> {
  sandbox.addToolchain(copyAddon);
  const { code, output } = await sandbox.run("install.mjs");
  expect({ code, output, addon: existsSync(sandbox.addon) }).toMatchObject({ code: 0, addon: true });
  expect(readFileSync(sandbox.addon).equals(readFileSync(builtAddon))).toBe(true);
  expect(sandbox.notBuilt).toBeUndefined();
}

it("builds where the paths of sources, cache and addon have spaces and characters beyond ASCII", async () => {
  await expectRepaired();
  expect(readFileSync(join(sandbox.dist, "cpu", "build.json"), "utf8")).toContain('"backend": "cpu"');
});

describe.runIf(process.platform === "linux")("with a disk of its own, which needs the right to mount", () => {
  it("says how much room is missing before anything is compiled", async () => {
    mkdirSync(sandbox.cache);
    const { code, output } = await sandbox.run("install.mjs", {}, [], { [sandbox.cache]: "size=1m" });
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toMatch(
      /the addon was not built: the build takes up to 0\.4 GB of disk, but only 0\.0 GB are free\n/,
    );
    expect(output).toContain("LLAMA_NATIVE_CACHE_DIR names another folder");
    expect(sandbox.notBuilt?.reason).toBe("build-failed");
    await expectRepaired();
  });

  it("tells the compiler's words where the disk of the build folder fills up", async () => {
    sandbox.addToolchain(`dd if=/dev/zero of=big bs=65536 count=64; ${copyAddon}`);
    const build = join(sandbox.cache, "build");
    mkdirSync(build, { recursive: true });
    const { code, output } = await sandbox.run("install.mjs", {}, [], { [build]: "size=1m" });
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toContain("No space left on device");
    expect(sandbox.notBuilt?.message).toContain("No space left on device");
    await expectRepaired();
  });

  it("takes an addon from a cache that may only be read, as one in a container's image", async () => {
    await sandbox.run("install.mjs");
    rmSync(sandbox.dist, { recursive: true });
    const cache = { [sandbox.cache]: { files: sandbox.cache, readOnly: true } };
    const { code, output } = await sandbox.run("install.mjs", {}, [], cache);
    expect({ code, output }).toEqual({ code: 0, output: "" });
    expect(existsSync(sandbox.addon)).toBe(true);
    expect(sandbox.builds).toBe(1);
  });

  it("builds where the log cannot be written, as its disk is full", async () => {
    sandbox.addToolchain(`seq 1 100000; ${copyAddon}`);
    const logs = join(sandbox.cache, "logs");
    mkdirSync(logs, { recursive: true });
    const { code, output } = await sandbox.run("install.mjs", {}, [], { [logs]: "size=64k" });
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining("built ") as string });
    expect(existsSync(sandbox.addon)).toBe(true);
  });

  it("builds where the log's folder is read-only, and does not name a log that is not there", async () => {
    const logs = join(sandbox.cache, "logs");
    mkdirSync(logs, { recursive: true });
    sandbox.addToolchain("exit 3");
    const failed = await sandbox.run("install.mjs", {}, [], { [logs]: "ro" });
    expect(failed.code).toBe(0);
    expect(failed.output).toContain("its log could not be written to");
    sandbox.addToolchain(copyAddon);
    const { code, output } = await sandbox.run("install.mjs", {}, [], { [logs]: "ro" });
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(existsSync(sandbox.addon)).toBe(true);
  });

  it.each([
    ["read-only", "ro", /the addon was not built: EROFS.*\n/],
    ["full", "size=64k", /the addon was not built: ENOSPC.*\n/],
  ])("names the variable for another place where the package's folder is %s", async (_what, options, said) => {
    mkdirSync(sandbox.dist);
    const { code, output } = await sandbox.run("install.mjs", {}, [], { [sandbox.dist]: options });
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toMatch(said);
    expect(output).toContain(`Addons are put into ${sandbox.dist}; LLAMA_NATIVE_OUT_DIR names another folder`);
    // Nothing is compiled where the addon could not be put, and what was compiled is kept.
    const builds = sandbox.builds;
    expect(builds).toBe(options === "ro" ? 0 : 1);
    await expectRepaired();
    expect(sandbox.builds).toBe(1);
  });
});

it("builds without ccache where ccache cannot write its own folder", async () => {
  // As ccache does: the compiler is never reached.
  sandbox.addTool("ccache");
  sandbox.addTool(
    "cmake",
    `case "$1" in
--version) echo "cmake version 3.30.0" ;;
--build) mkdir -p Release; if grep -q LAUNCHER=/ settings; then echo "ccache: error: Failed to create directory /none"; exit 1; fi; ${copyAddon} ;;
*) echo "$*" > settings; touch build.ninja ;;
esac`,
  );
  const { code, output } = await sandbox.run("install.mjs");
  expect({ code, output }).toMatchObject({ code: 0 });
  expect(output).toContain("building without ccache, which does not work here: Failed to create directory /none");
  expect(existsSync(sandbox.addon)).toBe(true);
});

describe.runIf(process.platform === "linux")("with an old compiler", () => {
  /** Puts a pair of compilers on the PATH that name themselves so. */
  function addCompilers(c: string, cxx: string, version: string): void {
    for (const name of [c, cxx]) sandbox.addTool(name, `echo "${version}"`);
  }
  const old = "c++ (Ubuntu 7.5.0-3ubuntu1~18.04) 7.5.0";

  it.each([
    [
      "apt-get",
      old,
      "install one (it is found as g++-12 or clang++-15 and the like, and by CC and CXX), then run: npx",
    ],
    ["zypper", "c++ (SUSE Linux) 7.5.0", "run: sudo zypper install -y gcc12-c++ && npx"],
    [
      "dnf",
      "c++ (GCC) 8.5.0 20210514 (Red Hat 8.5.0-26)",
      "run: sudo dnf install -y gcc-toolset-12-gcc-c++ && CC=/opt/rh/gcc-toolset-12/root/usr/bin/gcc CXX=",
    ],
    ["apt-get", "Ubuntu clang version 6.0.0-1ubuntu2 (tags/RELEASE_600/final)", "install one"],
  ])("says what to install before anything is fetched or compiled (%s, %s)", async (manager, version, remedy) => {
    addCompilers("cc", "c++", version);
    sandbox.addTool(manager);
    const { code, output } = await sandbox.run("install.mjs");
    expect(code).toBe(0);
    const path = join(sandbox.bin, "c++");
    const why = `because GCC 9, Clang 7 or newer is missing (${path} is ${version}).`;
    expect(output).toContain(`llama-native: the addon was not built, ${why}\nTo get it, ${remedy}`);
    expect(sandbox.builds).toBe(0);
    expect(sandbox.notBuilt?.reason).toBe("missing-tools");
    await expectRepaired();
  });

  it("takes a newer one that is beside it", async () => {
    addCompilers("cc", "c++", old);
    addCompilers("gcc-11", "g++-11", "g++-11 (Ubuntu 11.4.0) 11.4.0");
    addCompilers("gcc-8", "g++-8", "g++-8 (Ubuntu 8.4.0) 8.4.0");
    const { output } = await sandbox.run("install.mjs");
    expect(output).toContain("building the addon with g++-11 (Ubuntu 11.4.0) 11.4.0");
    expect(existsSync(sandbox.addon)).toBe(true);
  });

  it.each([
    { CC: "ccache cc -pipe", CXX: "ccache c++ -pipe" },
    { CC: "cc -pipe", CXX: "c++ -pipe" },
  ])("takes CC and CXX with a launcher and options: $CC", async (variables) => {
    sandbox.addTool("ccache");
    const { output } = await sandbox.run("install.mjs", variables);
    expect(output).toContain("building the addon with c++ 9.9.9");
    const { inputs } = JSON.parse(readFileSync(join(sandbox.dist, "cpu", "build.json"), "utf8")) as {
      inputs: { flags: string };
    };
    expect(inputs.flags).toBe("|-pipe|-pipe|");
    const [logName = ""] = readdirSync(join(sandbox.cache, "logs")).filter((name) => name.startsWith("cpu-"));
    const [command = ""] = readFileSync(join(sandbox.cache, "logs", logName), "utf8").split("\n");
    expect(command).toContain(`-DCMAKE_C_COMPILER=${join(sandbox.bin, "cc")}`);
    expect(command).toContain(`-DCMAKE_CXX_COMPILER=${join(sandbox.bin, "c++")}`);
    expect(command).toContain(`-DCMAKE_CXX_COMPILER_LAUNCHER=${join(sandbox.bin, "ccache")}`);
    expect(command).toMatch(/CMAKE_CXX_FLAGS=\S+ -pipe/);
  });

  it.each(["sccache c++", "ccache distcc c++", "zig c++"])(
    "does not take the first word for a compiler: %s",
    async (CXX) => {
      for (const name of ["sccache", "ccache", "distcc", "zig"]) sandbox.addTool(name);
      const { output } = await sandbox.run("install.mjs", { CXX });
      expect(output).toContain(`(there is no program "${CXX}", which CXX names)`);
    },
  );

  it("says of CC and CXX that there are no such programs", async () => {
    const { output } = await sandbox.run("install.mjs", { CC: "gcc-98", CXX: "ccache g++-99" });
    expect(output).toContain(
      'because a C++17 compiler is missing (there is no program "gcc-98", which CC names, nor "g++-99", which CXX names).',
    );
    expect(output).toContain("&& unset CC CXX && npx llama-native build\n");
  });

  it("does not take another than CC and CXX name", async () => {
    addCompilers("gcc-8", "g++-8", "g++-8 (Ubuntu 8.4.0) 8.4.0");
    const { output } = await sandbox.run("install.mjs", { CC: "gcc-8", CXX: "g++-8" });
    expect(output).toContain(`(${join(sandbox.bin, "g++-8")} is g++-8 (Ubuntu 8.4.0) 8.4.0)`);
  });

  it("tries one that does not say what it is", async () => {
    addCompilers("cc", "c++", "some compiler of 2031");
    await sandbox.run("install.mjs");
    expect(existsSync(sandbox.addon)).toBe(true);
  });
});

it("offline and without sources, says what was tried and where to put them", async () => {
  sandbox.addTool("npm", 'echo "npm error code ENOTFOUND" >&2; exit 1');
  sandbox.addTool("git", 'echo "fatal: Could not resolve host" >&2; exit 128');
  const { code, output } = await sandbox.run("install.mjs", { LLAMA_NATIVE_SOURCE_DIR: "" });
  expect({ code, output }).toMatchObject({ code: 0 });
  expect(output).toMatch(
    /could not be obtained\. Tried:\n(.*\n)*.*ENOTFOUND.*\n.*Could not resolve host.*\nSet LLAMA_NATIVE_SOURCE_DIR/,
  );
  expect(sandbox.notBuilt?.reason).toBe("no-sources");
  await expectRepaired();
});

it("a cache that is a file fails no install, and is named", async () => {
  writeFileSync(sandbox.cache, "");
  const { code, output } = await sandbox.run("install.mjs");
  expect({ code, output }).toMatchObject({ code: 0 });
  expect(output).toContain(`kept in ${sandbox.cache}`);
});
