import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { adoptNpmConfig, BUILD_SETTINGS } from "../../scripts/lib/settings.mjs";
import { packageDir } from "./sandbox.js";

const documentation = readFileSync(join(packageDir, "docs", "gpu.md"), "utf8");

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "llama-native-npm-"));
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

/** What an install script that npm runs in the project finds in its environment. */
async function settingsOfInstall(npmrc: string, args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<object> {
  const settings = pathToFileURL(join(packageDir, "scripts", "lib", "settings.mjs")).href;
  const script = `import { adoptNpmConfig } from "${settings}"; import { writeFileSync } from "node:fs";
adoptNpmConfig(process.env);
const ours = Object.entries(process.env).filter(([name]) => name.startsWith("LLAMA_NATIVE_"));
writeFileSync("settings.json", JSON.stringify(Object.fromEntries(ours)));`;
  writeFileSync(join(project, "install.mjs"), script);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "a", scripts: { install: "node install.mjs" } }));
  writeFileSync(join(project, ".npmrc"), npmrc);
  const machine = Object.entries(process.env).filter(([name]) => !/^(npm_|llama_native_)/i.test(name));
  const clean = { ...Object.fromEntries(machine), npm_config_userconfig: join(project, "none"), ...env };
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const options = { cwd: project, env: clean, shell: process.platform === "win32" };
  await promisify(execFile)(npm, ["install", "--offline", "--no-audit", "--no-fund", ...args], options);
  return JSON.parse(readFileSync(join(project, "settings.json"), "utf8")) as object;
}

describe("npm's configuration", () => {
  it("reaches a build as the documentation's example says", async () => {
    const [, example = ""] = /```ini\n([^`]*)```/.exec(documentation) ?? [];
    expect(await settingsOfInstall(example)).toEqual({
      LLAMA_NATIVE_GPU: "cpu",
      LLAMA_NATIVE_FROM_SOURCE: "1",
      LLAMA_NATIVE_JOBS: "2",
      LLAMA_NATIVE_CMAKE_ARGS: "-DGGML_LTO=ON -DGGML_CCACHE=OFF",
    });
  });

  it("is overridden by npm's own flags, and these by the environment", async () => {
    const npmrc = "llama_native_gpu=cuda\nllama-native-jobs=2\nllama_native_skip_build=false\n";
    const args = ["--llama_native_gpu=cpu", "--llama_native_portable", "--llama_native_jobs=3"];
    expect(await settingsOfInstall(npmrc, args, { LLAMA_NATIVE_JOBS: "4" })).toEqual({
      LLAMA_NATIVE_GPU: "cpu",
      LLAMA_NATIVE_PORTABLE: "1",
      LLAMA_NATIVE_JOBS: "4",
    });
  });

  it("says on and off in the same words in the environment", () => {
    const env: NodeJS.ProcessEnv = { LLAMA_NATIVE_SKIP_BUILD: "true", LLAMA_NATIVE_PORTABLE: "false" };
    adoptNpmConfig(env);
    expect(env).toEqual({ LLAMA_NATIVE_SKIP_BUILD: "1", LLAMA_NATIVE_PORTABLE: "false" });
  });

  it("has every setting of a build, all of which the documentation tells", () => {
    for (const name of BUILD_SETTINGS) {
      const env: NodeJS.ProcessEnv = { [`npm_config_llama_native_${name.toLowerCase()}`]: "x" };
      adoptNpmConfig(env);
      expect(env[`LLAMA_NATIVE_${name}`]).toBe("x");
      expect(documentation).toMatch(new RegExp(`^\\| \`LLAMA_NATIVE_${name}(=1)?\` `, "m"));
    }
    expect(BUILD_SETTINGS).toContain("SOURCE_DIR");
  });
});
