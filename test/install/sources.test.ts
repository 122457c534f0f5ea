import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { renameFolder } from "../../scripts/lib/files.mjs";
import { checkIntegrity } from "../../scripts/lib/npm-carrier.mjs";
import { packSources } from "../../scripts/lib/packed-sources.mjs";
import { isPacked } from "../../scripts/lib/source-tree.mjs";
import { resolveSources } from "../../scripts/lib/sources.mjs";
import { Sandbox } from "./sandbox.js";

let sandbox: Sandbox;
let messages: string[];
beforeEach(() => {
  sandbox = new Sandbox();
  messages = [];
});
afterEach(() => {
  sandbox.remove();
});

/** Resolves with no sources anywhere but where a test puts them. */
function resolve(options: Partial<Parameters<typeof resolveSources>[0]> = {}): Promise<string> {
  return resolveSources({
    cache: sandbox.cache,
    env: { PATH: sandbox.bin },
    packed: join(sandbox.root, "packed.tar.br"),
    log: (line) => messages.push(line),
    ...options,
  });
}

/** A tree with everything that is packed. */
function addTree(): string {
  const tree = sandbox.addSources("0.5.0", join(sandbox.root, "tree"));
  for (const folder of ["ggml/src/ggml-cpu", "ggml/src/ggml-sycl", "tools", "cmake", "licenses", "src", "vendor"]) {
    mkdirSync(join(tree, folder), { recursive: true });
    writeFileSync(join(tree, folder, "file.cpp"), folder);
  }
  writeFileSync(join(tree, "LICENSE"), "MIT");
  return tree;
}

const failing = {
  name: "a broken place",
  fetch: async (): Promise<void> => {
    throw new Error("the line is cut");
  },
};
const working = {
  name: "a good place",
  fetch: async (target: string): Promise<void> => {
    sandbox.addSources("0.5.0", target);
  },
};

describe("the sources of llama.cpp", () => {
  it("come first from the folder that is named", async () => {
    await packSources(addTree(), join(sandbox.root, "packed.tar.br"));
    const folder = sandbox.addSources();
    expect(await resolve({ env: { LLAMA_NATIVE_SOURCE_DIR: folder } })).toBe(folder);
  });

  it.each([
    ["is missing", "nowhere", "does not exist"],
    ["is something else", "", "is not a tree of llama.cpp's sources: it has no CMakeLists.txt"],
  ])("are refused when the named folder %s", async (_what, folder, problem) => {
    const named = join(sandbox.root, folder);
    const refused = resolve({ env: { LLAMA_NATIVE_SOURCE_DIR: named }, providers: [working] });
    await expect(refused).rejects.toThrow(`LLAMA_NATIVE_SOURCE_DIR cannot be used: ${named} ${problem}`);
  });

  it("are refused in another version", async () => {
    const folder = sandbox.addSources("0.4.1");
    const refused = resolve({ env: { LLAMA_NATIVE_SOURCE_DIR: folder } });
    await expect(refused).rejects.toThrow("holds llama.cpp 0.4.1, but this package is written for 0.5.0");
  });

  it("come from the archive in the package where there is one, without what no build uses", async () => {
    const packed = join(sandbox.root, "packed.tar.br");
    await packSources(addTree(), packed);
    const folder = await resolve({ providers: [failing] });
    expect(messages).toEqual(["fetching llama.cpp 0.5.0 from the archive in this package"]);
    expect(readFileSync(join(folder, "ggml/src/ggml-cpu/file.cpp"), "utf8")).toBe("ggml/src/ggml-cpu");
    expect(existsSync(join(folder, "ggml/src/ggml-sycl")) || existsSync(join(folder, "tools"))).toBe(false);
    // The same tree is the same archive, whenever it is made.
    await packSources(folder, `${packed}.again`);
    expect(readFileSync(`${packed}.again`).equals(readFileSync(packed))).toBe(true);
  });

  it("are kept apart from a whole tree, and from another archive", async () => {
    const packed = join(sandbox.root, "packed.tar.br");
    const whole = await resolve({ providers: [working] });
    await packSources(addTree(), packed);
    const first = await resolve({ providers: [failing] });
    writeFileSync(join(sandbox.root, "tree", "src", "another.cpp"), "");
    await packSources(join(sandbox.root, "tree"), packed);
    const second = await resolve({ providers: [failing] });
    expect(new Set([whole, first, second]).size).toBe(3);
    expect(existsSync(join(second, "src", "another.cpp"))).toBe(true);
    // Who needs all of it does not get the archive's.
    expect(await resolve({ packed: join(sandbox.root, "none"), providers: [failing] })).toBe(whole);
  });

  it("are not looked for elsewhere where the disk is full", async () => {
    const full = {
      name: "a disk",
      fetch: async (): Promise<void> => {
        throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" });
      },
    };
    await expect(resolve({ providers: [full, working] })).rejects.toMatchObject({ code: "ENOSPC" });
  });

  it("are put into their place once Windows lets go of them", async () => {
    let refusals = 3;
    const rename = (): void => {
      if (refusals-- > 0) throw Object.assign(new Error("EPERM: operation not permitted"), { code: "EPERM" });
    };
    await renameFolder("from", "to", { rename, isWindows: true });
    expect(refusals).toBe(-1);
    refusals = 1;
    await expect(renameFolder("from", "to", { rename, isWindows: false })).rejects.toThrow("EPERM");
  });

  it("come from elsewhere where the archive is cut off", async () => {
    const packed = join(sandbox.root, "packed.tar.br");
    await packSources(addTree(), packed);
    writeFileSync(packed, readFileSync(packed).subarray(0, -20));
    await resolve({ providers: [working] });
    expect(messages).toEqual([
      "fetching llama.cpp 0.5.0 from the archive in this package",
      expect.stringMatching(/^that failed: /),
      "fetching llama.cpp 0.5.0 from a good place",
    ]);
  });

  it("come from the next place when one fails, and from the cache after that", async () => {
    const folder = await resolve({ providers: [failing, working] });
    expect(folder.startsWith(sandbox.cache)).toBe(true);
    expect(messages).toEqual([
      "fetching llama.cpp 0.5.0 from a broken place",
      "that failed: the line is cut",
      "fetching llama.cpp 0.5.0 from a good place",
    ]);
    expect(await resolve({ providers: [failing] })).toBe(folder);
  });

  it("are named with every place that was tried when there are none", async () => {
    await expect(resolve({ providers: [failing, { ...failing, name: "another" }] })).rejects.toMatchObject({
      reason: "no-sources",
      message: expect.stringMatching(
        /could not be obtained\. Tried:\n {2}- a broken place: the line is cut\n {2}- another: the line is cut\nSet LLAMA_NATIVE_SOURCE_DIR/,
      ) as string,
    });
    expect(readdirSync(join(sandbox.cache, "sources"))).toEqual([]);
  });

  it("are not taken from a place that delivers half of them", async () => {
    const half = {
      name: "half a place",
      fetch: async (target: string): Promise<void> => {
        mkdirSync(target);
        writeFileSync(join(target, "CMakeLists.txt"), "");
      },
    };
    await resolve({ providers: [half, working] });
    expect(messages[1]).toMatch(/^that failed: .* is not a tree of llama.cpp's sources: it has no include\/llama\.h$/);
  });

  it("are fetched again after a kill in the middle", async () => {
    const leftover = join(sandbox.cache, "sources", "llama.cpp-0.5.0.1-1.tmp");
    mkdirSync(leftover, { recursive: true });
    await resolve({ providers: [working] });
    expect(existsSync(leftover)).toBe(false);
  });
});

describe("the npm package with the sources", () => {
  it("is refused when it is not the pinned one", async () => {
    sandbox.addTool("npm", 'while [ "$1" != --pack-destination ]; do shift; done; echo doctored > "$2/package.tgz"');
    sandbox.addTool("git", "exit 128");
    await expect(resolve()).rejects.toThrow(
      /node-llama-cpp@3\.22\.1: the downloaded file is not the pinned one: expected sha512-\S+ but received sha512-\S+\n.*git clone.*: git ended with code 128/,
    );
  });

  it("is deleted when it is not the pinned one", async () => {
    const file = join(sandbox.root, "package.tgz");
    writeFileSync(file, "doctored");
    await expect(checkIntegrity(file, "sha512-AAAA")).rejects.toThrow("not the pinned one");
    expect(existsSync(file)).toBe(false);
  });

  it("says why npm could not get it", async () => {
    sandbox.addTool("npm", 'echo "npm error code E404" >&2; exit 1');
    await expect(resolve()).rejects.toThrow(/npm pack ended with code 1: npm error code E404/);
  });
});

describe("the packed sources", () => {
  it.each([
    ["include/llama.h", true],
    ["ggml/src/ggml-cpu/ops.cpp", true],
    ["ggml/src/ggml-cuda/common.cuh", true],
    ["ggml/src/ggml-sycl/common.hpp", false],
    ["vendor/nlohmann/json.hpp", true],
    ["vendor/miniaudio/CMakeLists.txt", true],
    ["vendor/miniaudio/miniaudio.h", false],
    ["models/ggml-vocab-bert-bge.gguf", false],
    ["tools/server/server.cpp", false],
    ["LICENSE", true],
  ])("%s: %s", (path, packed) => {
    expect(isPacked(path)).toBe(packed);
  });
});
