import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

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

  it.each<[content: Buffer, problem: string]>([
    [Buffer.alloc(0), "it is empty"],
    [Buffer.from("<html>"), 'expected it to begin with "GGUF" but received "<htm"'],
    [Buffer.from("GGUF\u0001\0\0\0"), "expected GGUF version 2 or 3 but received 1, so that it must be converted anew"],
    [
      Buffer.from("GGUF\0\0\0\u0003"),
      "expected GGUF version 2 or 3 but received 50331648, which has the bytes of each",
    ],
    [Buffer.from("GGUF\u0003\0\0\0"), "it ends within its header, after 8 bytes, as a download that was cut off does"],
  ])("is refused by the file's name with what was expected: %j", async (content, problem) => {
    const folder = await mkdtemp(join(tmpdir(), "llama-native header "));
    const file = join(folder, "modèle 模型.gguf");
    await writeFile(file, content);
    await expect(readGgufFile(file)).rejects.toMatchObject({
      code: "MODEL_FORMAT",
      message: expect.stringContaining(`${file} is not a sound GGUF file: ${problem}`) as string,
    });
    await rm(folder, { recursive: true });
  });

  it("is refused where its weights are cut short, with the bytes that there should be", async () => {
    const header = await readGgufFile(path);
    const expected = header.headerBytes + header.tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    await expect(readGgufHeader(sourceOf(bytes.subarray(0, 2_000_000)).source)).rejects.toMatchObject({
      code: "MODEL_FORMAT",
      message: `This is not a sound GGUF file: its weights are cut short: expected ${expected} bytes but received 2000000`,
    });
  });

  it("of a file that cannot be read says why", async () => {
    await expect(readGgufFile(`${path}.none`)).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: expect.stringMatching(/^Cannot read .*\.gguf\.none: ENOENT/) as string,
    });
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
