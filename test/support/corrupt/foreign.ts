import { gzipSync } from "node:zlib";

import { randomNumbers } from "../../../scripts/models/random.mjs";
import type { Corruption } from "./corruption.js";
import { refused } from "./corruption.js";
import { uint64 } from "./gguf.js";

const safetensorsHeader = '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}';

function randomBytes(length: number): Buffer {
  const next = randomNumbers(1, "foreign");
  return Buffer.from(Uint8Array.from({ length }, next));
}

const contents: Record<string, Buffer> = {
  "an empty file": Buffer.alloc(0),
  "a text": Buffer.from("This is not a model.\n"),
  "a web page": Buffer.from("<!DOCTYPE html>\n<html><body><h1>404 Not Found</h1></body></html>\n"),
  "an error in JSON": Buffer.from('{"error":"Repository not found"}'),
  "a zip archive": Buffer.concat([Buffer.from("PK\x03\x04"), Buffer.alloc(1000, 7)]),
  "a gzip archive": gzipSync(Buffer.alloc(1000, 7)),
  "a safetensors file": Buffer.concat([
    uint64(safetensorsHeader.length),
    Buffer.from(safetensorsHeader),
    Buffer.alloc(4),
  ]),
  "a Git LFS pointer": Buffer.from(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${"0123456789abcdef".repeat(4)}\nsize 4368439584\n`,
  ),
  "a GGML file of old": Buffer.concat([Buffer.from("tjgg"), Buffer.alloc(1000, 1)]),
  "a PyTorch pickle": Buffer.concat([Buffer.from([0x80, 0x02]), Buffer.from("ctorch._utils\n_rebuild_tensor_v2\n")]),
  zeros: Buffer.alloc(1_000_000),
  "random bytes": randomBytes(1_000_000),
};

/** Files of other kinds. */
export const foreign: Corruption[] = Object.entries(contents).map(([name, bytes]) => refused(name, () => bytes));
