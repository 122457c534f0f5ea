import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, describe, expect, it } from "vitest";

import { importsOf, newestVersion, readElf, readMachO } from "../../scripts/release/binaries.mjs";
import {
  checkPackage,
  libraryProblems,
  machineProblems,
  MAX_CPU_BYTES,
  namesFolder,
  sizeProblems,
  versionProblems,
} from "../../scripts/release/check-package.mjs";
import { createManifest } from "../../scripts/release/manifest.mjs";
import { GPU_PACKAGES, PLATFORMS, publishedDependencies } from "../../scripts/release/platforms.mjs";
import { readTarget } from "../../scripts/release/target.mjs";
import { usesMusl } from "../../scripts/lib/c-library.mjs";
import { lacksDriver } from "../../scripts/lib/load-check.mjs";
import { prebuiltName } from "../../scripts/lib/prebuilt.mjs";
import { parseYaml } from "../support/yaml.js";
import { builtAddon, packageDir } from "./sandbox.js";

const folder = mkdtempSync(join(tmpdir(), "llama-native-release-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const glibc = { os: "linux", arch: "x64", libc: "glibc" } as const;

describe("a platform's package", () => {
  it("tells npm which machines it is for, and what is in it", () => {
    const what = { name: prebuiltName(glibc, "cpu"), platform: glibc, backend: "cpu", version: "1.2.3" } as const;
    expect(createManifest({ ...what, files: ["llama-native.node", "libggml-cpu-x64.so"] })).toMatchObject({
      name: "llama-native-linux-x64",
      version: "1.2.3",
      license: "MIT",
      os: ["linux"],
      cpu: ["x64"],
      libc: ["glibc"],
      files: ["llama-native.node", "libggml-cpu-x64.so", "build.json", "LICENSE", "THIRD_PARTY_NOTICES"],
    });
    const mac = { os: "darwin", arch: "arm64", libc: null } as const;
    expect(createManifest({ ...what, platform: mac, files: [] })).not.toHaveProperty("libc");
  });

  it("is an optional dependency of the published package, in the same version; those for GPUs are not", () => {
    const { optionalDependencies, peerDependencies, peerDependenciesMeta } = publishedDependencies("1.2.3");
    expect(Object.keys(optionalDependencies)).toEqual(PLATFORMS.map((platform) => prebuiltName(platform, "cpu")));
    expect(new Set(Object.values(optionalDependencies))).toEqual(new Set(["1.2.3"]));
    expect(peerDependencies["llama-native-linux-x64-vulkan"]).toBe("1.2.3");
    expect(peerDependenciesMeta["llama-native-linux-x64-vulkan"]).toEqual({ optional: true });
    expect(Object.keys(peerDependencies).filter((name) => name in optionalDependencies)).toEqual([]);
  });

  it("is none of a checkout's dependencies, which would not install before it is published", () => {
    const manifest = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as object;
    expect(manifest).not.toHaveProperty("optionalDependencies");
    expect(manifest).not.toHaveProperty("peerDependencies");
  });
});

it("no build has ggml's backend for BLAS, which ggml turns on for Macs", () => {
  const project = readFileSync(join(packageDir, "native", "CMakeLists.txt"), "utf8");
  const [before = "", after] = project.split('set(GGML_BLAS OFF CACHE BOOL "" FORCE)\n');
  expect(after).toContain("add_ggml_with_variants()");
  // At no level of conditions, so in builds from source as well.
  expect(before.match(/^\s*if\(/gm)?.length).toBe(before.match(/^\s*endif\(/gm)?.length);
});

describe("the C library of a program", () => {
  /** One entry of something else, one for the loader, which is named behind `gap` bytes. */
  const program = (loader: string, gap: number, kind = "\x02\x01"): string => {
    const bytes = Buffer.alloc(64 + 2 * 56 + gap + loader.length);
    bytes.write(`\x7fELF${kind}`, "latin1");
    bytes.writeBigUInt64LE(64n, 32);
    bytes.writeUInt16LE(56, 54);
    bytes.writeUInt16LE(2, 56);
    bytes.writeUInt32LE(1, 64);
    bytes.writeUInt32LE(3, 64 + 56);
    bytes.writeBigUInt64LE(BigInt(64 + 2 * 56 + gap), 64 + 56 + 8);
    bytes.writeBigUInt64LE(BigInt(loader.length), 64 + 56 + 32);
    bytes.write(loader, bytes.length - loader.length);
    const path = join(folder, `program-${gap}-${loader.length}`);
    writeFileSync(path, bytes);
    return path;
  };

  it.each([0, 100_000])("is musl where the file says so, %i bytes behind its head", (gap) => {
    expect(usesMusl(program("/lib/ld-musl-x86_64.so.1\0", gap))).toBe(true);
    expect(usesMusl(program("/lib64/ld-linux-x86-64.so.2\0", gap))).toBe(false);
  });

  it.each([
    ["32 bits, as of ARM's older processors", "\x01\x01"],
    ["the other order of bytes, as of IBM's mainframes", "\x02\x02"],
  ])("is not looked for in a program of %s, for which there are no packages", (_what, kind) => {
    expect(usesMusl(program("/lib/ld-musl-armhf.so.1\0", 0, kind))).toBe(false);
  });

  it("is this Node's", () => {
    const report = process.report?.getReport() as { header: { glibcVersionRuntime?: string } };
    if (process.platform === "linux") {
      expect(usesMusl(process.execPath)).toBe(report.header.glibcVersionRuntime === undefined);
    }
  });
});

describe("the platform that a package is built for", () => {
  const env = { CXX: "/opt/bin/g++" };

  it("is this one where none is named", () => {
    const own = { platform: glibc, env, settings: [], isForeign: false };
    expect(readTarget(undefined, env, { here: glibc })).toEqual(own);
    expect(readTarget("linux-x64", env, { here: glibc })).toEqual(own);
  });

  it("can be Linux on another processor, with compilers for it", () => {
    expect(readTarget("linux-arm64", env, { here: glibc })).toEqual({
      platform: { os: "linux", arch: "arm64", libc: "glibc" },
      env: { CC: "aarch64-linux-gnu-gcc", CXX: "/opt/bin/g++" },
      settings: ["-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64"],
      isForeign: true,
    });
  });

  it.runIf(process.platform !== "win32").each([
    ["linux-x64-musl", { os: "linux", arch: "x64", libc: "musl" }, "Linux", "x86_64", "x86_64-linux-musl"],
    ["win32-x64", { os: "win32", arch: "x64", libc: null }, "Windows", "AMD64", "x86_64-windows-gnu"],
    ["linux-x64", glibc, "Linux", "x86_64", "x86_64-linux-gnu.2.28"],
    ["linux-arm64", { ...glibc, arch: "arm64" }, "Linux", "aarch64", "aarch64-linux-gnu.2.28"],
    ["linux-arm64-musl", { os: "linux", arch: "arm64", libc: "musl" }, "Linux", "aarch64", "aarch64-linux-musl"],
  ])("can be %s, with Zig's compiler", (name, platform, system, processor, triple) => {
    const tools = join(folder, name);
    mkdirSync(tools);
    const zig = join(tools, "zig");
    // Tells how it is called, but for its version.
    writeFileSync(zig, '#!/bin/sh\n[ "$1" = version ] && echo 0.17.1 || echo "$@"\n', { mode: 0o755 });
    const there = { ...env, PATH: `${tools}:${process.env["PATH"]}`, LLAMA_NATIVE_CACHE_DIR: join(tools, "cache") };
    const target = readTarget(name, there, { zig: true, here: glibc });
    expect(target).toMatchObject({ platform, isForeign: name !== "linux-x64" });
    expect(target.settings).toEqual(
      expect.arrayContaining([`-DCMAKE_SYSTEM_NAME=${system}`, `-DCMAKE_SYSTEM_PROCESSOR=${processor}`]),
    );
    const said = execFileSync(target.env["CXX"] ?? "", ["-c", "a b.cpp"], { encoding: "utf8" });
    expect(said.trim()).toBe(`c++ -target ${triple} -c a b.cpp`);
    const compiler = statSync(target.env["CC"] ?? "");
    // Otherwise ccache would take it for another compiler each time.
    readTarget(name, there, { zig: true, here: glibc });
    expect(statSync(target.env["CC"] ?? "").mtimeMs).toBe(compiler.mtimeMs);
  });

  it.runIf(process.platform !== "win32").each([
    ["-march=armv8-a", "-mcpu=generic+v8a"],
    ["-march=armv8.2-a+dotprod+fp16", "-mcpu=generic+v8_2a+dotprod+fullfp16"],
    ["-march=armv8.2-a+fp16fml", "-mcpu=generic+v8_2a+fp16fml"],
    ["-march=armv9.2-a+dotprod+fp16+sve+i8mm+sve2+sme", "-mcpu=generic+v9_2a+dotprod+fullfp16+sve+i8mm+sve2+sme"],
  ])("gives Zig %s as %s", (flag, translated) => {
    const tools = mkdtempSync(join(folder, "arm-"));
    writeFileSync(join(tools, "zig"), '#!/bin/sh\n[ "$1" = version ] && echo 0.17.1 || echo "$@"\n', { mode: 0o755 });
    const there = { ...env, PATH: `${tools}:${process.env["PATH"]}`, LLAMA_NATIVE_CACHE_DIR: join(tools, "cache") };
    const { CC = "" } = readTarget("linux-arm64-musl", there, { here: glibc }).env;
    const said = execFileSync(CC, ["-O3", flag, "-c", "a b.c"], { encoding: "utf8" });
    expect(said.trim()).toBe(`cc -target aarch64-linux-musl -O3 ${translated} -c a b.c`);
  });

  it.each([
    ["darwin-arm64", glibc],
    ["toString", glibc],
    ["linux-arm64", { ...glibc, libc: "musl" }],
  ] as const)("is not %s on %j", (name, here) => {
    expect(() => readTarget(name, env, { here })).toThrow(
      /^llama-native: Expected one of linux-x64, linux-arm64, linux-arm64-musl, linux-x64-musl, win32-x64 for --target/,
    );
  });
});

describe("the checks of a package", () => {
  const needs = {
    file: "a.node",
    libraries: ["libc.so.6", "libb.so"],
    searched: ["$ORIGIN"],
    versions: ["GLIBC_2.34"],
  };

  it("let pass what systems have and what lies beside", () => {
    expect(libraryProblems(needs, ["a.node", "libb.so"], ["linux", "glibc", "cpu"])).toEqual([]);
    const vulkan = { ...needs, libraries: ["libvulkan.so.1"] };
    expect(libraryProblems(vulkan, [], ["linux", "glibc", "vulkan"])).toEqual([]);
  });

  it.each([
    [{ libraries: ["libgomp.so.1"] }, "a.node needs libgomp.so.1, which a system may not have"],
    [{ libraries: ["libc.so"] }, "a.node needs libc.so, which a system may not have"],
    [{ libraries: ["libvulkan.so.1"] }, "a.node needs libvulkan.so.1, which a system may not have"],
    [{ searched: ["/home/builder/lib"] }, "a.node looks for libraries in /home/builder/lib"],
    [{ versions: ["GLIBCXX_3.4.30"] }, "a.node needs GLIBCXX_3.4.30"],
  ])("find %j", (change, problem) => {
    expect(libraryProblems({ ...needs, ...change }, ["libb.so"], ["linux", "glibc", "cpu"])).toEqual([problem]);
  });

  it("find a package that is too large", () => {
    expect(sizeProblems("cpu", MAX_CPU_BYTES)).toEqual([]);
    expect(sizeProblems("cpu", 31e6)).toEqual(["expected at most 24.4 MB, but its files have 31.0 MB"]);
    expect(sizeProblems("cuda", 300e6)).toEqual([]);
  });

  it("find what needs a newer system than was asked for", () => {
    const needed = newestVersion(["macOS_11.0", "macOS_13.3"], "macOS");
    expect(versionProblems("macOS", needed, "13.3")).toEqual([]);
    expect(versionProblems("macOS", needed, undefined)).toEqual([]);
    expect(versionProblems("macOS", null, "13.3")).toEqual([]);
    expect(versionProblems("macOS", needed, "13.0")).toEqual([
      "expected nothing newer than macOS 13.0, but it needs 13.3",
    ]);
  });

  it("ask for no driver of a GPU where a package is built", () => {
    const words = (library: string): string =>
      `The backend cuda cannot be loaded: ${library}: cannot open shared object file: No such file or directory`;
    expect(lacksDriver("cuda", words("libcuda.so.1"))).toBe(true);
    expect(lacksDriver("cuda", words("libcudart.so.12"))).toBe(false);
    expect(lacksDriver("cuda", "libcuda.so.1: invalid ELF header")).toBe(false);
    expect(lacksDriver("vulkan", words("libcuda.so.1"))).toBe(false);
  });

  it("know the same on Windows by whether the driver is there, as its words do not name it", () => {
    const machine = { platform: "win32", env: { SystemRoot: folder } } as const;
    const words = "The specified module could not be found.";
    expect(lacksDriver("cuda", words, machine)).toBe(true);
    expect(lacksDriver("vulkan", words, machine)).toBe(false);
    expect(lacksDriver("cuda", "The specified procedure could not be found.", machine)).toBe(false);
    mkdirSync(join(folder, "System32"));
    writeFileSync(join(folder, "System32", "nvcuda.dll"), "");
    expect(lacksDriver("cuda", words, machine)).toBe(false);
  });

  it("find what a wrong compiler made for another machine", () => {
    const addon = { file: "a.node", machine: "AArch64" };
    expect(machineProblems(addon, "linux-arm64")).toEqual([]);
    expect(machineProblems(addon, undefined)).toEqual([]);
    expect(machineProblems(addon, "linux-x64")).toEqual(["a.node is for AArch64, not Advanced Micro Devices X86-64"]);
  });

  it.each([
    ["/src/ggml.c\0", "/src", "linux", true],
    ["\0/src/ggml.c", "/src", "linux", true],
    ["-ffile-prefix-map=/src/native=native", "/src", "linux", true],
    // What a path became that is to tell nothing of the machine.
    ["\0llama.cpp/ggml/src/ggml.c", "/src", "linux", false],
    ["\0native/../src/ggml.c", "/src", "linux", false],
    ["\0llama.cpp/src/a.c\0/src/b.c", "/src", "linux", true],
    ["\0/src.c", "/src", "linux", false],
    ["\0C:\\build\\src\\a.c", "C:\\build", "win32", true],
    // As CMake and its generators write them.
    ["\0C:/build/src/a.c", "C:\\build", "win32", true],
    ["\0D:/build/src/a.c", "C:\\build", "win32", false],
  ] as const)("look for a folder where a path begins: %j and %s on %s: %s", (text, name, platform, isNamed) => {
    expect(namesFolder(Buffer.from(text), name, platform)).toBe(isNamed);
  });

  it.runIf(process.platform === "linux")("run no package of another system", async () => {
    const target = process.arch === "x64" ? "linux-arm64" : "linux-x64";
    writeFileSync(join(folder, "build.json"), JSON.stringify({ backend: "cpu", variants: [], target, libc: "glibc" }));
    copyFileSync(builtAddon, join(folder, "llama-native.node"));
    const { lines, problems } = await checkPackage(folder);
    expect(lines).toContain(`not run: it is for ${target}`);
    expect(problems).toContainEqual(expect.stringMatching(/^llama-native\.node is for /));
  });

  it.runIf(process.platform === "linux")("find folders of this machine, which a local build names", async () => {
    writeFileSync(join(folder, "build.json"), JSON.stringify({ backend: "cpu", variants: [] }));
    copyFileSync(builtAddon, join(folder, "llama-native.node"));
    const { lines, problems } = await checkPackage(folder, { maxGlibc: "2.1" });
    expect(lines).toContainEqual(expect.stringMatching(/^needs: .*libc\.so\.6/));
    expect(problems).toContainEqual(expect.stringMatching(/^llama-native\.node names the folder \//));
    expect(problems).toContainEqual(
      expect.stringMatching(/^expected nothing newer than glibc 2\.1, but it needs 2\.\d+$/),
    );
    expect(problems.filter((line) => line.startsWith("it does not run here"))).toEqual([]);
  });
});

describe("what a library needs", () => {
  it("is read from readelf", () => {
    const text = `  Type:                              DYN (Shared object file)
  Machine:                           AArch64
 0x01 (NEEDED)             Shared library: [libm.so.6]
 0x0e (SONAME)             Library soname: [libx.so]
 0x1d (RUNPATH)            Library runpath: [$ORIGIN:/opt/lib]
Version needs section '.gnu.version_r' contains 1 entry:
  0x0010:   Name: GLIBC_2.34  Flags: none  Version: 3
  0x0020:   Name: GLIBC_2.9  Flags: none  Version: 2`;
    const found = readElf(text);
    expect(found).toEqual({
      libraries: ["libm.so.6"],
      searched: ["$ORIGIN", "/opt/lib"],
      versions: ["GLIBC_2.34", "GLIBC_2.9"],
      machine: "AArch64",
    });
    expect(newestVersion(found.versions, "GLIBC")).toBe("2.34");
    expect(newestVersion(found.versions, "GLIBCXX")).toBeNull();
  });

  it("is read from otool", () => {
    const text = `Load command 4
          cmd LC_LOAD_DYLIB
      cmdsize 56
         name /usr/lib/libSystem.B.dylib (offset 24)
Load command 5
          cmd LC_RPATH
      cmdsize 32
         path @loader_path (offset 12)
Load command 6
      cmd LC_BUILD_VERSION
  cmdsize 32
 platform 1
    minos 11.0
      sdk 14.0`;
    expect(readMachO(text)).toEqual({
      libraries: ["/usr/lib/libSystem.B.dylib"],
      searched: ["@loader_path"],
      versions: ["macOS_11.0"],
      machine: null,
    });
  });

  it("is read from a Windows library itself", () => {
    expect(importsOf(windowsLibrary(["KERNEL32.dll", "ggml-base.dll"], ["node.exe"]))).toEqual([
      "KERNEL32.dll",
      "ggml-base.dll",
      "node.exe",
    ]);
    expect(() => importsOf(Buffer.alloc(256))).toThrow("Expected a Windows library");
  });
});

/** Headers, one section, and in it an import table and one of delayed imports. */
function windowsLibrary(imports: string[], delayed: string[]): Buffer {
  const file = Buffer.alloc(0x1000);
  const [header, start, offset] = [0x80, 0x2000, 0x400];
  const optional = header + 24;
  file.writeUInt32LE(header, 0x3c);
  file.write("PE\0\0", header, "latin1");
  file.writeUInt16LE(1, header + 6);
  file.writeUInt16LE(240, header + 20);
  const section = optional + 240;
  file.writeUInt32LE(0xc00, section + 8);
  file.writeUInt32LE(start, section + 12);
  file.writeUInt32LE(offset, section + 20);
  file.writeUInt32LE(start, optional + 112 + 8);
  file.writeUInt32LE(start + 0x200, optional + 112 + 8 * 13);
  let text = 0x400;
  const put = (names: string[], table: number, size: number, field: number): void => {
    names.forEach((name, index) => {
      file.writeUInt32LE(start + text, offset + table + index * size + field);
      file.write(`${name}\0`, offset + text, "latin1");
      text += name.length + 1;
    });
  };
  put(imports, 0, 20, 12);
  put(delayed, 0x200, 32, 4);
  return file;
}

interface Job {
  "runs-on": string;
  strategy?: { matrix: { include: Record<string, string>[] } };
  needs?: string[];
  env?: Record<string, string>;
  permissions?: Record<string, string>;
  steps: { run?: string; uses?: string; env?: Record<string, string> }[];
}

const workflowPath = join(packageDir, ".github", "workflows", "release.yml");
const workflow = parseYaml(readFileSync(workflowPath, "utf8")) as { on: object; jobs: Record<string, Job> };
const jobs = Object.values(workflow.jobs);

describe("the workflow of a release", () => {
  const matrix = jobs.flatMap(({ strategy }) => strategy?.matrix.include ?? []);

  it("builds every package that the published one names, and no other", () => {
    const { optionalDependencies, peerDependencies } = publishedDependencies("1.2.3");
    const named = [...Object.keys(optionalDependencies), ...Object.keys(peerDependencies)];
    expect(matrix.map((each) => each["package"]).sort()).toEqual(named.sort());
  });

  it("builds each with the backend of its name", () => {
    const packages = [...PLATFORMS.map((platform) => ({ platform, backend: "cpu" as const })), ...GPU_PACKAGES];
    const backends = Object.fromEntries(
      packages.map(({ platform, backend }) => [prebuiltName(platform, backend), backend]),
    );
    expect(Object.fromEntries(matrix.map((each) => [each["package"], each["backend"]]))).toEqual(backends);
    const builds = Object.values(workflow.jobs).filter(({ strategy }) => strategy !== undefined);
    for (const { steps } of builds) {
      const runs = steps.flatMap(({ run }) => run ?? []);
      expect(runs.filter((line) => line.includes("${{ matrix.backend }}"))).toHaveLength(1);
    }
  });

  it("refuses a package that needs a newer macOS than it is compiled for", () => {
    const { macos } = workflow.jobs;
    const target = /CMAKE_OSX_DEPLOYMENT_TARGET=(\S+)/.exec(macos?.env?.["LLAMA_NATIVE_CMAKE_ARGS"] ?? "")?.[1];
    expect(target).toBeDefined();
    expect(macos?.steps.some(({ run }) => run?.endsWith(` --max-macos ${target!}`))).toBe(true);
  });

  it("builds where no path of llama.cpp's own looks like the folder", () => {
    const commands = jobs.flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
    const folders = commands.flatMap((line) => /docker run .*-v "\$PWD:(\S+)" -w (\S+) /.exec(line)?.slice(1) ?? []);
    expect(new Set(folders)).toEqual(new Set(["/llama-native-checkout"]));
  });

  it("calls scripts that there are", () => {
    const { scripts } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as { scripts: object };
    const commands = jobs.flatMap(({ steps }) => steps.flatMap(({ run }) => run?.split("\n") ?? []));
    const called = commands.flatMap((line) => /npm run (?:--silent )?([\w:]+)/.exec(line)?.[1] ?? []);
    expect(called).toContain("release:build");
    expect(called).toContain("release:publish");
    for (const script of called) expect(scripts).toHaveProperty([script]);
    for (const line of commands) {
      const file = /\bsh (\S+\.sh)/.exec(line)?.[1];
      if (file !== undefined) expect(existsSync(join(packageDir, file))).toBe(true);
    }
  });
});

describe.runIf(process.platform !== "win32")("the build in a container", () => {
  it("goes on after the toolset's script, which reads variables that nobody has set", () => {
    const place = join(folder, "container");
    mkdirSync(place);
    const enable = join(place, "enable");
    writeFileSync(enable, 'export MANPATH="/toolset/man:$MANPATH"\n');
    for (const tool of ["dnf", "npm"])
      writeFileSync(join(place, tool), `#!/bin/sh\necho "${tool} $*"\n`, { mode: 0o755 });
    const script = readFileSync(join(packageDir, "scripts", "release", "build-in-container.sh"), "utf8");
    const path = join(place, "build.sh");
    writeFileSync(path, script.replace("/opt/rh/gcc-toolset-14/enable", enable));
    const output = execFileSync("/bin/sh", [path, "cuda"], { env: { PATH: place }, encoding: "utf8" });
    expect(output).toContain("npm run release:build -- --gpu cuda --max-glibc 2.28\n");
  });
});

describe("the workflow's last job", () => {
  it("publishes what all others have built, with the token by the name that the script reads", () => {
    const { publish, ...others } = workflow.jobs;
    expect(publish?.needs).toEqual(Object.keys(others));
    const step = publish?.steps.find(({ run }) => run === "npm run release:publish");
    expect(step?.env).toEqual({ NODE_AUTH_TOKEN: "${{ secrets.NPM_TOKEN }}" });
  });

  it("may prove where the packages come from, and does where package.json names its repository", () => {
    expect(workflow.jobs["publish"]?.permissions).toMatchObject({ "id-token": "write" });
    const commands = jobs.flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
    expect(commands.filter((line) => line.includes("--provenance"))).toEqual([]);
  });
});

it("parses YAML", () => {
  const text = "a: 1\nb:\n  - x\n  - { c: 'd', e: [f, \"g\"] }\nh: |\n  one\n  two\n";
  expect(parseYaml(text)).toEqual({ a: "1", b: ["x", { c: "d", e: ["f", "g"] }], h: "one\ntwo\n" });
  expect(() => parseYaml("a: [1\nb: 2")).toThrow();
});
