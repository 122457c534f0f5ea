import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { prebuiltName, thisPlatform } from "../../scripts/lib/prebuilt.mjs";
import { builtAddon, type Outcome, packageDir, Sandbox } from "./sandbox.js";

const name = prebuiltName(thisPlatform(), "cpu");
const { version } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as { version: string };
const used = `llama-native: nothing to build for cpu: ${name} is used (LLAMA_NATIVE_FROM_SOURCE=1 builds all the same)\n`;

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => {
  sandbox.remove();
});

/** Stands for the package among the installed ones; the addon is this machine's own. */
function installPackage(changes: { name?: string; version?: string; addon?: string } = {}): void {
  const folder = join(sandbox.root, "packages", changes.name ?? name);
  mkdirSync(folder, { recursive: true });
  const manifest = { name: changes.name ?? name, version: changes.version ?? version };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  const path = join(folder, "llama-native.node");
  if (changes.addon === undefined) copyFileSync(builtAddon, path);
  else writeFileSync(path, changes.addon);
}

/** Without sources of the user's own, which would ask for a build, and without tools. */
async function install(extra: Record<string, string> = {}): Promise<Outcome> {
  const packages = join(sandbox.root, "packages");
  const settings = { NODE_PATH: packages, LLAMA_NATIVE_SOURCE_DIR: "", LLAMA_NATIVE_GPU: "cpu" };
  return await sandbox.run("install.mjs", { ...settings, ...extra });
}

describe("an install beside a package with a finished addon", () => {
  it("builds nothing, and says so in one line", async () => {
    installPackage();
    expect(await install()).toMatchObject({ code: 0, output: used });
    expect(existsSync(sandbox.dist)).toBe(false);
  });

  it("says the same where building is off", async () => {
    installPackage();
    expect(await install({ LLAMA_NATIVE_SKIP_BUILD: "1" })).toMatchObject({ code: 0, output: used });
    expect(sandbox.notBuilt).toBeUndefined();
  });

  it("forgets why there was no addon before", async () => {
    await install();
    expect(sandbox.notBuilt).toMatchObject({ reason: "missing-tools" });
    installPackage();
    await install();
    expect(sandbox.notBuilt).toBeUndefined();
  });

  it.each([
    ["is of another version", { version: "9.9.9" }, `expected version ${version} of it but found 9.9.9`],
    ["is broken", { addon: "nonsense" }, "llama-native.node: "],
  ])("builds all the same where it %s, and says why", async (_what, changes, reason) => {
    installPackage(changes);
    const { code, output } = await install();
    expect(code).toBe(0);
    expect(output).toContain(`llama-native: the package ${name} does not serve here: `);
    expect(output).toContain(reason);
    // That is as far as it gets without tools.
    expect(sandbox.notBuilt).toMatchObject({ reason: "missing-tools" });
  });

  it.each([
    ["LLAMA_NATIVE_FROM_SOURCE", "1"],
    ["npm_config_llama_native_from_source", "1"],
    ["LLAMA_NATIVE_CMAKE_ARGS", "-DSOMETHING=ON"],
  ])("builds where %s asks for it", async (variable, value) => {
    installPackage();
    const { output } = await install({ [variable]: value });
    expect(output).not.toContain(name);
    expect(sandbox.notBuilt).toMatchObject({ reason: "missing-tools" });
  });

  it("keeps to an addon that was built here before", async () => {
    installPackage();
    mkdirSync(join(sandbox.dist, "cpu"), { recursive: true });
    writeFileSync(sandbox.addon, "older");
    const { output } = await install();
    expect(output).toContain("the addon was not built, because CMake");
    expect(output).not.toContain(name);
  });
});

it("an install takes the package in place of an addon that another version built", async () => {
  installPackage();
  mkdirSync(join(sandbox.dist, "cpu"), { recursive: true });
  writeFileSync(sandbox.addon, "older");
  writeFileSync(join(sandbox.dist, "cpu", "build.json"), JSON.stringify({ version: "0.0.1" }));
  expect(await install()).toMatchObject({ code: 0, output: used });
});

it("an install that cannot build says so, although another version's addon is there", async () => {
  mkdirSync(join(sandbox.dist, "cpu"), { recursive: true });
  writeFileSync(sandbox.addon, "older");
  writeFileSync(join(sandbox.dist, "cpu", "build.json"), JSON.stringify({ version: "0.0.1" }));
  await install();
  expect(sandbox.notBuilt).toMatchObject({ reason: "missing-tools" });
  await install({ LLAMA_NATIVE_SKIP_BUILD: "1" });
  expect(sandbox.notBuilt).toMatchObject({ reason: "skipped" });
});

describe("an install beside a GPU's package", () => {
  const gpuName = prebuiltName(thisPlatform(), "vulkan");
  const gpuIsUsed = `nothing to build for vulkan: ${gpuName} is used`;
  beforeEach(() => {
    installPackage();
    installPackage({ name: gpuName });
  });

  /** What the GPU's addon says of the machine when it is loaded. */
  async function installWith(system: object): Promise<Outcome> {
    const preload = join(sandbox.root, "preload.cjs");
    const script = `const { dlopen } = process;
process.dlopen = (module, path, ...rest) => {
  dlopen(module, path, ...rest);
  if (path.includes("-vulkan")) module.exports = { systemInfo: () => (${JSON.stringify(system)}) };
};`;
    writeFileSync(preload, script);
    return await install({ LLAMA_NATIVE_GPU: "vulkan", NODE_OPTIONS: `--require=${preload}` });
  }
  const cpu = { name: "CPU", type: "cpu" };

  it.each(["gpu", "integrated-gpu"])("builds nothing where it finds a device of type %s", async (type) => {
    const { code, output } = await installWith({ devices: [{ name: "Vulkan0", type }, cpu], backendWarnings: [] });
    expect(code).toBe(0);
    expect(output).toContain(gpuIsUsed);
    expect(existsSync(sandbox.dist)).toBe(false);
  });

  it("goes on where it finds none, with what llama.cpp warned of", async () => {
    const backendWarnings = ["ggml_vulkan: No devices found."];
    const { code, output } = await installWith({ devices: [cpu], backendWarnings });
    expect(code).toBe(0);
    expect(output).toContain(
      `the package ${gpuName} does not serve here: it finds no device on this machine: No devices found.\n`,
    );
    expect(output).not.toContain(gpuIsUsed);
    expect(existsSync(join(sandbox.dist, "vulkan", "not-built.json"))).toBe(true);
  });
});
