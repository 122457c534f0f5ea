// What `models show` tells of memory by a look at a server, beside what it and a load tell of the files themselves.

import { copyFile, readFile } from "node:fs/promises";
import { basename, join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { MemoryNeed, QuantizationOverview } from "../../src/cli/models/overview.js";
import { overviewOf } from "../../src/cli/models/overview.js";
import { resolveModel } from "../../src/hub/index.js";
import { cpuMicroBatchSize, estimateMemory } from "../../src/model/memory-estimate.js";
import { readModelShape } from "../../src/model/model-memory.js";
import { splitPaths } from "../../src/model/split-paths.js";
import type { HubServer } from "../support/hub/hub-server.js";
import { startHub } from "../support/hub/hub-server.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox } from "../support/hub/sandbox.js";
import { memoryModel, splitTinyModel, tinyModel } from "../support/models.js";
import { tiedModel } from "../support/tied-model.js";

let hub: HubServer;
let sandbox: Sandbox;

beforeEach(async () => {
  hub = await startHub();
  sandbox = await enterSandbox(hub.url);
});
afterEach(async () => {
  await hub.close();
  await sandbox.leave();
});

async function publish(paths: Record<string, string>): Promise<void> {
  const files = Object.entries(paths).map(async ([name, path]) => [name, await readFile(path)] as const);
  hub.repositories.set("owner/model-GGUF", { files: Object.fromEntries(await Promise.all(files)) });
}

async function show(source: string): Promise<QuantizationOverview[]> {
  return (await overviewOf(source, { signal: new AbortController().signal })).quantizations;
}

/** Of a context of 4096 tokens. */
function bytesOf({ memory }: Pick<QuantizationOverview, "memory">): number {
  return memory.find(({ contextSize, kvType }: MemoryNeed) => contextSize === 4096 && kvType === "f16")!.bytes;
}

async function bytesOfLoad(path: string): Promise<number> {
  const plan = { contextSize: 4096, kvTypeK: "f16", kvTypeV: "f16", sequences: 4 } as const;
  return estimateMemory(await readModelShape(path), {
    ...plan,
    microBatchSize: cpuMicroBatchSize,
    flashAttention: "auto",
  }).totalBytes;
}

describe("a model whose embeddings are the output too", () => {
  it("takes by a look at the server what it takes by the file, and what a load counts", async () => {
    const path = await tiedModel();
    await publish({ "model.Q4_K_M.gguf": path });
    const [[remote], [local]] = await Promise.all([show("hf:owner/model-GGUF"), show(path)]);
    expect(remote!.path).toBe(null);
    expect(bytesOf(remote!)).toBe(await bytesOfLoad(path));
    expect(bytesOf(local!)).toBe(await bytesOfLoad(path));
    expect(hub.sentBytes()).toBeLessThan(2 << 20);
  });

  it.each([false, true])(
    "has a second copy by the type of each quantization; the largest is here: %j",
    async (isHere) => {
      const [q4, f16] = [await tiedModel(), await tiedModel("f16")];
      await publish({ "model.Q4_K_M.gguf": q4, "model.F16.gguf": f16 });
      if (isHere) await resolveModel("hf:owner/model-GGUF:F16");
      const before = hub.sentBytes();
      const shown = await show("hf:owner/model-GGUF");
      expect(shown.map(({ quantization, path }) => [quantization, path !== null])).toEqual([
        ["Q4_K_M", false],
        ["F16", isHere],
      ]);
      for (const [index, path] of [q4, f16].entries()) {
        expect(bytesOf(shown[index]!) / (await bytesOfLoad(path))).toBeCloseTo(1, 3);
      }
      expect(hub.sentBytes() - before).toBeLessThan(2 << 20);
    },
  );
});

it("a recurrent model keeps nothing for each token of a context", async () => {
  const shape = await readModelShape(await memoryModel("recurrent"));
  expect(shape.keyLengths).toEqual(shape.keyLengths.map(() => 0));
  expect(Math.min(...shape.stateBytes)).toBeGreaterThan(0);
  const { keyLengths } = await readModelShape(await memoryModel("hybrid"));
  expect(new Set(keyLengths.map((length) => length > 0))).toEqual(new Set([true, false]));
});

describe("a split model", () => {
  it("takes what the whole one takes, here and on a server", async () => {
    const first = await splitTinyModel();
    await publish(Object.fromEntries(splitPaths(first).map((path) => [basename(path), path])));
    const url = `${hub.plainUrl}/owner/model-GGUF/resolve/main/${basename(first)}`;
    const whole = await bytesOfLoad(await tinyModel());
    for (const source of [first, "hf:owner/model-GGUF", url]) {
      const [shown] = await show(source);
      expect(bytesOf(shown!)).toBe(whole);
      const sizes = await Promise.all(splitPaths(first).map(async (path) => (await readFile(path)).length));
      expect(shown!.sizeBytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
    }
  });

  it("is not taken for what one of its later parts is", async () => {
    const later = splitPaths(await splitTinyModel())[1] ?? "";
    await expect(show(later)).rejects.toMatchObject({
      code: "MODEL_FORMAT",
      message: expect.stringMatching(/part 2 of 3 of a model/),
    });
  });

  it("of which a part is missing is told so", async () => {
    const alone = join(sandbox.folder, basename(await splitTinyModel()));
    await copyFile(await splitTinyModel(), alone);
    await expect(show(alone)).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: expect.stringMatching(
        /^There is no file .*-00002-of-00003\.gguf, which .*-00001-of-00003\.gguf goes on in/,
      ),
    });
  });
});
