import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type * as LoadAddon from "../../src/native/load-addon.js";
import type * as OwnPackage from "../../src/native/own-package.js";
import { prebuiltName } from "../../src/native/prebuilt.js";
import { prebuiltName as nameForScripts, thisPlatform } from "../../scripts/lib/prebuilt.mjs";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "llama-native-prebuilt-"));
  writeFileSync(join(root, "package.json"), JSON.stringify({ name: "llama-native", version: "1.2.3" }));
  vi.resetModules();
  moveTo(() => root);
  for (const name of ["ADDON", "GPU", "OUT_DIR"]) vi.stubEnv(`LLAMA_NATIVE_${name}`, "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.doUnmock("../../src/native/own-package.js");
  rmSync(root, { recursive: true });
});

function moveTo(packageRoot: () => string): void {
  vi.doMock("../../src/native/own-package.js", async (original) => ({
    ...(await original<typeof OwnPackage>()),
    packageRoot,
    packageVersion: "1.2.3",
  }));
}

async function loader(): Promise<typeof LoadAddon> {
  return await import("../../src/native/load-addon.js");
}

/** A script where an addon would be: its name ends in .node, so that it goes through a folder's index file. */
function addAddon(folder: string, script: string): string {
  const path = join(folder, "llama-native.node");
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "index.js"), script);
  return path;
}

const build = (backend: string, script: string): string => addAddon(join(root, "native", "dist", backend), script);

function installPackage(name: string, script: string, version = "1.2.3"): string {
  const folder = join(root, "node_modules", name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, version }));
  return addAddon(folder, script);
}

/** What a build leaves beside the addon. */
function stamp(folder: string, version: string): void {
  writeFileSync(join(folder, "build.json"), JSON.stringify({ version }));
}

/** What an install leaves that could not build for a GPU. */
function leaveNote(backend: string): void {
  const folder = join(root, "native", "dist", backend);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "not-built.json"), JSON.stringify({ message: "Vulkan's headers are missing" }));
}

const addon = (...types: string[]): string =>
  `exports.systemInfo = () => (${JSON.stringify({ devices: types.map((type) => ({ name: type, type })) })});`;
/** As the addon does where none of its kernels runs on this CPU. */
const withoutKernels = 'exports.systemInfo = () => { throw new Error("Expected kernels for this CPU"); };';

it("has the same names for packages as the scripts that make them", () => {
  expect(prebuiltName("cpu")).toBe(nameForScripts(thisPlatform(), "cpu"));
  expect(prebuiltName("vulkan")).toBe(nameForScripts(thisPlatform(), "vulkan"));
  expect(nameForScripts({ os: "linux", arch: "arm64", libc: "musl" }, "cpu")).toBe("llama-native-linux-arm64-musl");
  expect(nameForScripts({ os: "win32", arch: "x64", libc: null }, "cuda")).toBe("llama-native-win32-x64-cuda");
});

describe("the CPU's addon", () => {
  it("comes from the package where nothing was built", async () => {
    const path = installPackage(prebuiltName("cpu"), addon("cpu"));
    const { systemInfo } = await loader();
    expect(systemInfo()).toMatchObject({
      backend: "cpu",
      addon: { path, origin: "prebuilt", package: prebuiltName("cpu") },
      passedOver: [],
    });
  });

  it("is the one that was built here, where there is one", async () => {
    installPackage(prebuiltName("cpu"), "throw new Error('touched');");
    const path = build("cpu", addon("cpu"));
    const { systemInfo } = await loader();
    expect(systemInfo()).toMatchObject({ addon: { path, origin: "built", package: null }, passedOver: [] });
  });

  it("comes from the package where the one that was built does not load, with the reason", async () => {
    build("cpu", "throw new Error('invalid ELF header');");
    const path = installPackage(prebuiltName("cpu"), addon("cpu"));
    const { systemInfo } = await loader();
    const reason = expect.stringContaining("cannot be loaded: invalid ELF header") as string;
    expect(systemInfo()).toMatchObject({ addon: { path }, passedOver: [{ backend: "cpu", reason }] });
  });

  it.each([
    ["is of another version", addon("cpu"), "9.9.9", "expected version 1.2.3 of the package .* but found 9.9.9"],
    ["does not load", "throw new Error('GLIBC_2.99 not found');", "1.2.3", "cannot be loaded: GLIBC_2.99 not found"],
    ["has no kernels for this CPU", withoutKernels, "1.2.3", "cannot be loaded: Expected kernels for this CPU"],
  ])("is an error where there is but a package that %s", async (_what, script, version, message) => {
    installPackage(prebuiltName("cpu"), script, version);
    const { loadAddon } = await loader();
    expect(() => loadAddon()).toThrow(
      expect.objectContaining({ code: "BACKEND_UNAVAILABLE", message: expect.stringMatching(message) as string }),
    );
  });

  it("is an error with both reasons where the install could not build in the package's place", async () => {
    installPackage(prebuiltName("cpu"), withoutKernels);
    mkdirSync(join(root, "native", "dist"), { recursive: true });
    const note = {
      reason: "missing-tools",
      message: "llama-native: the addon was not built, because CMake is missing.",
    };
    writeFileSync(join(root, "native", "dist", "not-built.json"), JSON.stringify(note));
    const { loadAddon } = await loader();
    expect(() => loadAddon()).toThrow(
      expect.objectContaining({
        code: "NOT_BUILT",
        message: expect.stringMatching(/CMake is missing\.\n.*Expected kernels for this CPU/) as string,
      }),
    );
  });

  it("comes from the package where the one that was built is of another version, which a folder of the user's outlives", async () => {
    stamp(dirname(build("cpu", "throw new Error('touched');")), "1.2.2");
    const path = installPackage(prebuiltName("cpu"), addon("cpu"));
    const { systemInfo } = await loader();
    const reason = expect.stringContaining("built for version 1.2.2 of llama-native, and this is 1.2.3") as string;
    expect(systemInfo()).toMatchObject({ addon: { path }, passedOver: [{ backend: "cpu", reason }] });
  });

  it("is an error where there is but one of another version, with what the install could not do about it", async () => {
    stamp(dirname(build("cpu", addon("cpu"))), "1.2.2");
    const before = await loader();
    expect(() => before.loadAddon()).toThrow(/built for version 1\.2\.2 .* run `npx llama-native build`/);
    writeFileSync(join(root, "native", "dist", "not-built.json"), JSON.stringify({ message: "CMake is missing." }));
    vi.resetModules();
    const after = await loader();
    expect(() => after.loadAddon()).toThrow(/^CMake is missing\.\n.*built for version 1\.2\.2/s);
  });

  it("is not looked for in packages where nothing tells where this one lies", async () => {
    moveTo(() => {
      throw new Error("bundled");
    });
    const path = addAddon(join(root, "out", "cpu"), addon("cpu"));
    vi.stubEnv("LLAMA_NATIVE_OUT_DIR", join(root, "out"));
    const { systemInfo } = await loader();
    expect(systemInfo()).toMatchObject({ addon: { path, origin: "built" } });
  });
});

describe("a GPU's addon", () => {
  it("comes from its package, beside the CPU's that was built", async () => {
    build("cpu", addon("cpu"));
    const path = installPackage(prebuiltName("vulkan"), addon("gpu", "cpu"));
    const { systemInfo } = await loader();
    expect(systemInfo()).toMatchObject({ backend: "vulkan", addon: { path, origin: "prebuilt" } });
    expect(systemInfo("cpu")).toMatchObject({ backend: "cpu", addon: { origin: "built" } });
  });

  it("comes from its package where the one that was built finds no device", async () => {
    build("cpu", addon("cpu"));
    build("vulkan", addon("cpu"));
    const path = installPackage(prebuiltName("vulkan"), addon("gpu"));
    const { systemInfo } = await loader();
    const passedOver = [{ backend: "vulkan", reason: "it finds no device on this machine" }];
    expect(systemInfo()).toMatchObject({ backend: "vulkan", addon: { path }, passedOver });
  });

  it("comes from its package without a word of the build that an earlier install could not do", async () => {
    installPackage(prebuiltName("cpu"), addon("cpu"));
    leaveNote("vulkan");
    const path = installPackage(prebuiltName("vulkan"), addon("gpu"));
    const { systemInfo } = await loader();
    expect(systemInfo()).toMatchObject({ backend: "vulkan", addon: { path }, passedOver: [] });
  });

  it("is missed for what is wrong with its package, not for that build", async () => {
    installPackage(prebuiltName("cpu"), addon("cpu"));
    leaveNote("vulkan");
    installPackage(prebuiltName("vulkan"), addon("gpu"), "1.2.2");
    const { loadAddon } = await loader();
    expect(() => loadAddon("vulkan")).toThrow("cannot be used: expected version 1.2.3 of the package");
  });

  it("of another version is missed for what an install could not do about it", async () => {
    installPackage(prebuiltName("cpu"), addon("cpu"));
    stamp(dirname(build("vulkan", addon("gpu"))), "1.2.2");
    const before = await loader();
    expect(() => before.loadAddon("vulkan")).toThrow(/built for version 1\.2\.2 .* --gpu vulkan/);
    leaveNote("vulkan");
    vi.resetModules();
    const after = await loader();
    expect(() => after.loadAddon("vulkan")).toThrow("cannot be used: Vulkan's headers are missing");
  });

  it("is passed over for the CPU's where its package is of no use, with the reason", async () => {
    installPackage(prebuiltName("cpu"), addon("cpu"));
    installPackage(
      prebuiltName("cuda"),
      "throw new Error('libcuda.so.1: cannot open shared object file: No such file or directory');",
    );
    installPackage(prebuiltName("vulkan"), addon("gpu"), "1.2.2");
    const { loadAddon, systemInfo } = await loader();
    expect(systemInfo()).toMatchObject({
      backend: "cpu",
      passedOver: [
        { backend: "cuda", reason: "NVIDIA's driver is missing (libcuda.so.1)" },
        {
          backend: "vulkan",
          reason: `expected version 1.2.3 of the package ${prebuiltName("vulkan")} but found 1.2.2`,
          advice: `run \`npm install ${prebuiltName("vulkan")}@1.2.3\``,
        },
      ],
    });
    expect(() => loadAddon("vulkan")).toThrow(
      "The backend vulkan cannot be used: expected version 1.2.3 of the package",
    );
  });
});
