import { describe, expect, it } from "vitest";
import { compareNames, declaredFunctions } from "../../scripts/lib/contract.mjs";

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
