import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { addonPath, loadAddon } from "../../src/native/load-addon.js";
import { packageRoot, packageVersion } from "../../src/native/own-package.js";

describe("loadAddon", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "llama-native-"));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });

  it("looks in the package's folder, or where LLAMA_NATIVE_ADDON points", () => {
    vi.stubEnv("LLAMA_NATIVE_ADDON", "");
    expect(addonPath()).toBe(join(packageRoot(), "native", "dist", "cpu", "llama-native.node"));
    vi.stubEnv("LLAMA_NATIVE_ADDON", "some/addon.node");
    expect(addonPath()).toBe(join(process.cwd(), "some", "addon.node"));
  });

  it("says what to do where the addon is missing", () => {
    const path = join(folder, "missing.node");
    vi.stubEnv("LLAMA_NATIVE_ADDON", path);
    expect(loadAddon).toThrow(expect.objectContaining({ code: "NOT_BUILT", message: expect.stringMatching(/\w/) }));
  });

  it("names the file it looked for and the command that builds it", () => {
    vi.stubEnv("LLAMA_NATIVE_ADDON", "");
    vi.stubEnv("LLAMA_NATIVE_OUT_DIR", folder);
    const path = join(folder, "cpu", "llama-native.node");
    const message = expect.stringContaining("`npx llama-native build`") as string;
    expect(loadAddon).toThrow(
      expect.objectContaining({ code: "NOT_BUILT", message, details: { path, reason: "missing" } }),
    );
    expect(loadAddon).toThrow(path);
  });

  it("says why where the addon cannot be loaded, and tries again next time", () => {
    const path = join(folder, "broken.node");
    writeFileSync(path, "not a library");
    vi.stubEnv("LLAMA_NATIVE_ADDON", path);
    expect(loadAddon).toThrow(expect.objectContaining({ code: "BACKEND_UNAVAILABLE", details: { path } }));
    const working = join(folder, "working.cjs");
    writeFileSync(working, "module.exports = { systemInfo: () => 'found' };");
    vi.stubEnv("LLAMA_NATIVE_ADDON", working);
    expect(loadAddon().systemInfo({})).toBe("found");
    vi.stubEnv("LLAMA_NATIVE_ADDON", path);
    expect(loadAddon().systemInfo({})).toBe("found"); // loaded once for good
  });
});

it("the version that a bundle tells is that of package.json", () => {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as { version: string };
  expect(packageVersion).toBe(manifest.version);
});
