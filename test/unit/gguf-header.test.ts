import { readFile, stat } from "node:fs/promises";

import { beforeAll, describe, expect, it } from "vitest";

import { readGgufFile, readGgufHeader } from "../../src/model/gguf-header.js";
import { shapeOf } from "../../src/model/model-shape.js";
import { splitPaths } from "../../src/model/split-paths.js";
import { splitTinyModel, tinyModel } from "../support/models.js";

let path: string;
let bytes: Buffer;

beforeAll(async () => {
  path = await tinyModel();
  bytes = await readFile(path);
}, 60_000);

const sourceOf = (content: Uint8Array, sizeBytes = content.length) => {
  const read: number[] = [];
  const source = {
    sizeBytes,
    read: (offset: number, length: number) => {
      read.push(length);
      return Promise.resolve(content.subarray(offset, offset + length));
    },
  };
  return { source, read };
};

describe("a GGUF file's header", () => {
  it("tells a model's shape", async () => {
    const header = await readGgufFile(path);
    expect(header.metadata.get("general.architecture")).toBe("llama");
    expect(header.arrayLengths.get("tokenizer.ggml.tokens")).toBe(32_000);
    expect(header.metadata.has("tokenizer.ggml.tokens")).toBe(false);
    const { size } = await stat(path);
    expect(header.headerBytes + header.tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBeLessThanOrEqual(
      size,
    );
    expect(shapeOf([header])).toMatchObject({
      architecture: "llama",
      layerCount: 2,
      contextLength: 32_768,
      embeddingLength: 256,
      feedForwardLength: 512,
      headCount: 4,
      keyLengths: [128, 128],
      valueLengths: [128, 128],
      vocabularySize: 32_000,
      isExact: true,
    });
  });

  it("is read in few requests, and none of the weights", async () => {
    const { source, read } = sourceOf(bytes);
    const header = await readGgufHeader(source);
    expect(read.length).toBeLessThanOrEqual(2);
    expect(read.reduce((sum, length) => sum + length, 0)).toBeLessThan(bytes.length / 2);
    expect(header.tensors.length).toBe(21);
  });

  it("is added up over the files of a split model", async () => {
    const parts = await Promise.all(splitPaths(await splitTinyModel()).map(readGgufFile));
    expect(parts).toHaveLength(3);
    expect(shapeOf(parts)).toEqual(shapeOf([await readGgufFile(path)]));
  });

  it.each([0, 3, 4, 8, 20, 24, 100, 5000, 500_000, 5_000_000])(
    "is refused where it ends after %i bytes",
    async (length) => {
      await expect(readGgufHeader(sourceOf(bytes.subarray(0, length)).source)).rejects.toMatchObject({
        code: "MODEL_FORMAT",
      });
    },
  );

  it("is read or refused, but ends, whatever is in it", async () => {
    const damaged = Buffer.from(bytes.subarray(0, 1 << 20));
    // Counts and lengths are in the first bytes.
    for (let position = 4; position < 200; position++) {
      const before = damaged[position]!;
      for (const value of [0x7f, 0xff]) {
        damaged[position] = value;
        const outcome = await readGgufHeader(sourceOf(damaged, bytes.length).source).then(
          (header) => typeof header.headerBytes,
          (error: unknown) => (error as { code?: string }).code,
        );
        expect(["number", "MODEL_FORMAT"]).toContain(outcome);
      }
      damaged[position] = before;
    }
  }, 60_000);
});
