// By which names requests find the models of a server; none of them is loaded here.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { ModelPool } from "../../src/server/models/model-pool.js";
import { longestName } from "../../src/server/models/model-names.js";
import type { ServedModel } from "../../src/server/models/served-model.js";
import { silentLog } from "../../src/server/operation/log.js";
import { string, typed, uint32, uint64 } from "../support/corrupt/gguf.js";

function make(models: readonly ServedModel[], log = silentLog): ModelPool {
  return new ModelPool(models, { memoryBudgetBytes: Infinity, idleUnloadMs: 0, log });
}

const idOf = async (pool: ModelPool, name: string): Promise<string> => (await pool.find(name)).id;
const unknown = { code: "model_not_found", param: "model" };

describe("names with tags", () => {
  const pool = make([
    { source: "/models/small.gguf", aliases: ["qwen2.5:7b"] },
    { source: "/models/large.gguf", aliases: ["qwen2.5:14b"] },
    { source: "/models/other-Q4_K_M.gguf", aliases: ["first"] },
  ]);

  test("mean the model of that tag, and no other", async () => {
    expect(await idOf(pool, "qwen2.5:7b")).toBe("small");
    expect(await idOf(pool, "Qwen2.5:14B")).toBe("large");
    expect(await idOf(pool, "owner/qwen2.5:14b:latest")).toBe("large");
    await expect(pool.find("qwen2.5:72b")).rejects.toMatchObject(unknown);
  });

  test.each(["other", "other:latest", "owner/Other:q8_0", "OTHER.Q4_K_M.gguf", "other:UD-Q4_K_XL", "first:fp16"])(
    "%s means a model whatever its quantization",
    async (name) => {
      expect(await idOf(pool, name)).toBe("other");
    },
  );
});

test("an alias is one model's by its very letters, before it is another's but for its quantization", async () => {
  const pool = make([
    { source: "/models/a.gguf", aliases: ["m-q4_0"] },
    { source: "/models/b.gguf", aliases: ["m-q8_0"] },
  ]);
  expect([await idOf(pool, "m-q8_0"), await idOf(pool, "M-Q4_0"), await idOf(pool, "m")]).toEqual(["b", "a", "a"]);
});

test.each([`a${"_q4".repeat(300_000)}!`, `${"/".repeat(1_000_000)}a:`, "a".repeat(longestName + 1)])(
  "a name of many characters is unknown at once",
  async (name) => {
    const pool = make([{ source: "/models/a.gguf", name: "a".repeat(longestName + 1) }]);
    const started = performance.now();
    await expect(pool.find(name)).rejects.toMatchObject({
      ...unknown,
      message: expect.stringContaining(`a string of ${name.length} characters`) as string,
    });
    expect(performance.now() - started).toBeLessThan(1000);
  },
);

describe("the name in a file's metadata", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "names-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** A header without tensors, padded as such files are. */
  async function file(fileName: string, name: string): Promise<string> {
    const value = typed("string", string(name));
    const head = [Buffer.from("GGUF"), uint32(3), uint64(0), uint64(1), string("general.name"), value];
    const bytes = Buffer.concat(head);
    const path = join(folder, fileName);
    await writeFile(path, Buffer.concat([bytes, Buffer.alloc((32 - (bytes.length % 32)) % 32)]));
    return path;
  }

  test("is a model's before that is loaded", async () => {
    const pool = make([
      { source: await file("a.gguf", "Alpha Model") },
      { source: await file("b.gguf", "Beta Model") },
    ]);
    expect(await idOf(pool, "owner/beta-model")).toBe("b");
    expect(await idOf(pool, "Alpha_Model")).toBe("a");
    await expect(pool.find("gamma-model")).rejects.toMatchObject(unknown);
  });

  test("is looked for once, and where it cannot be read the log has why", async () => {
    const warn = vi.fn();
    const broken = join(folder, "broken.gguf");
    await writeFile(broken, "no model");
    const models = [
      { source: broken },
      { source: join(folder, "missing.gguf") },
      { source: await file("c.gguf", "Ce") },
    ];
    const pool = make(models, { ...silentLog, warn });
    const found = await Promise.all([idOf(pool, "ce"), idOf(pool, "ce"), idOf(pool, "broken")]);
    expect(found).toEqual(["c", "c", "broken"]);
    await expect(pool.find("missing-name")).rejects.toMatchObject(unknown);
    expect(warn.mock.calls.map(([facts]) => facts as unknown)).toMatchObject([
      { model: "broken", err: { code: "MODEL_FORMAT" } },
      { model: "missing", err: { code: "MODEL_NOT_FOUND" } },
    ]);
  });
});
