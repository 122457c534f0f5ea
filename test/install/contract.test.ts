import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { compareNames, declaredFunctions } from "../../scripts/lib/contract.mjs";
import { packageDir } from "./sandbox.js";

describe("the contract of the addon", () => {
  it("is the members of its interface, whatever they are written like", async () => {
    const source = `
      // interface NativeAddon { commented(): void }
      export interface Other { foreign(): void }
      export interface NativeAddon {
        /** Docs with a brace } and a name(): void */
        first(options: { inner(): void; path: string }): { promise: Promise<void> };
        second: (options: { text: "}" }) => void;
      }`;
    expect(await declaredFunctions(source)).toEqual(["first", "second"]);
  });

  it("cannot be missing", async () => {
    await expect(declaredFunctions("export interface Other {}")).rejects.toThrow("there is no interface NativeAddon");
  });

  it("is broken by a difference in either direction", () => {
    expect(compareNames(["a", "b"], ["b", "a"])).toEqual([]);
    expect(compareNames(["a", "b"], ["b", "c"])).toEqual([
      "a is declared, but not exported",
      "c is exported, but not declared",
    ]);
  });
});

it("is checked in a checkout, and not where the package is installed, though that carries it too", () => {
  const folder = mkdtempSync(join(tmpdir(), "llama-native-contract-"));
  // In a process of its own: packages are looked for as Node does it, and TypeScript is there for both.
  const module = JSON.stringify(pathToFileURL(join(packageDir, "scripts", "lib", "contract.mjs")).href);
  const program = `import { canCheckContract } from ${module}; console.log(canCheckContract(process.argv[1]));`;
  const ask = (): string =>
    execFileSync(process.execPath, ["--input-type=module", "--eval", program, folder], { encoding: "utf8" }).trim();
  try {
    cpSync(join(packageDir, "src", "native", "contract.ts"), join(folder, "src", "native", "contract.ts"));
    expect(ask()).toBe("false");
    writeFileSync(join(folder, "tsconfig.json"), "{}");
    expect(ask()).toBe("true");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
