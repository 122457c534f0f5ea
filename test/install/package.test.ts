import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { packageDir } from "./sandbox.js";

interface PackReport {
  files: { path: string }[];
}

function packedFiles(): string[] {
  const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: packageDir,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [report] = JSON.parse(output) as PackReport[];
  return report!.files.map(({ path }) => path);
}

describe("the published package", () => {
  const files = packedFiles();

  it.each([
    "LICENSE",
    "THIRD_PARTY_NOTICES",
    "binding.gyp",
    "native/CMakeLists.txt",
    "native/package.json",
    "scripts/build.mjs",
    "scripts/install.mjs",
    "scripts/lib/build-addon.mjs",
  ])("carries %s", (path) => {
    expect(files).toContain(path);
  });

  it("carries no model, no build and no test", () => {
    const foreign = files.filter((path) => /\.(gguf|node|whl|tgz|log)$|^native\/dist\/|^test\//.test(path));
    expect(foreign).toEqual([]);
  });

  it("builds once: npm's own node-gyp step is off", () => {
    const manifest = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as {
      gypfile: boolean;
      scripts: Record<string, string>;
    };
    expect(manifest.gypfile).toBe(false);
    // `npm rebuild` forgets gypfile, and other package managers do not know it: with binding.gyp and no such script they
    // would run node-gyp, which downloads Node's headers.
    expect(manifest.scripts["install"]).toBe("node scripts/install.mjs");
  });

  it("carries the notices of what is compiled into the addon", () => {
    const notices = readFileSync(join(packageDir, "THIRD_PARTY_NOTICES"), "utf8");
    for (const holder of ["The ggml authors", "Niels Lohmann", "Mozilla Foundation", "Node.js API collaborators"]) {
      expect(notices).toContain(holder);
    }
  });
});
