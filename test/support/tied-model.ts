import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { onTestFinished } from "vitest";

import { Gguf, string, uint64 } from "./corrupt/gguf.js";
import { alignment, tensorCountAt } from "./corrupt/layout.js";
import { tinyModel } from "./models.js";

/** The tiny model with its output, in Q6_K or F16, for embeddings too, as small models of many families are. */
export async function tiedModel(type: "q4_k_m" | "f16" = "q4_k_m"): Promise<string> {
  const path = join(tmpdir(), `llama-native-tied-${process.pid}-${type}.gguf`);
  await writeFile(path, withOutputForEmbeddings(new Gguf(await readFile(await tinyModel(type)))));
  onTestFinished(() => rm(path));
  return path;
}

function withOutputForEmbeddings({ bytes, layout: { tensors, tensorList } }: Gguf): Buffer {
  const kept = tensors.filter(({ name }) => name !== "token_embd.weight");
  const entries: Buffer[] = [];
  const data: Buffer[] = [];
  let offset = 0;
  for (const { name, dimensionsAt, offsetAt, dataAt } of kept) {
    const end = Math.min(bytes.length, ...tensors.map((tensor) => tensor.dataAt).filter((at) => at > dataAt));
    entries.push(string(name === "output.weight" ? "token_embd.weight" : name));
    entries.push(bytes.subarray(dimensionsAt, offsetAt), uint64(offset));
    data.push(bytes.subarray(dataAt, end));
    offset += end - dataAt;
  }
  const header = Buffer.concat([bytes.subarray(0, tensorList.start), ...entries]);
  header.writeBigUInt64LE(BigInt(kept.length), tensorCountAt);
  const padding = Buffer.alloc((alignment - (header.length % alignment)) % alignment);
  return Buffer.concat([header, padding, ...data]);
}
