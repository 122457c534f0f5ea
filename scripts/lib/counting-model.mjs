// Makes a model that counts of one with random weights: after token n comes token n + 1, with certainty and at the full
// cost of its size. So a small model can guess what a large one will say, which random weights never do.

import { existsSync } from "node:fs";
import { copyFile, open, rename, stat } from "node:fs/promises";
import { cachedModel } from "../models/cached-model.mjs";
import { paddingOf, tensorBytes } from "../models/gguf.mjs";
import { SHAPES } from "../models/shapes.mjs";
import { temporaryName } from "./files.mjs";
import { withLock } from "./lock.mjs";

/**
 * @param {"tiny" | "125m"} shape
 * @param {number} [missing] of so many tokens, it does not know what follows one; 0 for none
 * @returns {Promise<string>} the path, beside that of the model with random weights
 */
export async function countingModel(shape, missing = 0) {
  const [source] = await cachedModel({ shape, type: "f16", seed: 1, split: 1, vocabularyOnly: false });
  if (source === undefined) throw new Error("No model was written");
  const path = source.replace(/gguf$/, missing === 0 ? "counting.gguf" : `counting-${missing}.gguf`);
  if (existsSync(path)) return path;
  return withLock(`${path}.lock`, async () => {
    if (existsSync(path)) return path;
    const temporary = temporaryName(path);
    await copyFile(source, temporary);
    await makeCount(temporary, shape, missing);
    await rename(temporary, path);
    return path;
  });
}

/**
 * @param {string} path
 * @param {"tiny" | "125m"} shape
 * @param {number} missing
 */
async function makeCount(path, shape, missing) {
  const tensors = SHAPES[shape].tensors("f16").map((tensor) => ({ ...tensor, bytes: tensorBytes(tensor) }));
  const padded = (/** @type {number} */ bytes) => bytes + paddingOf(bytes);
  let offset = (await stat(path)).size - tensors.reduce((sum, { bytes }) => sum + padded(bytes), 0);
  const file = await open(path, "r+");
  try {
    let embeddings = Buffer.alloc(0);
    for (const {
      name,
      bytes,
      shape: [width],
    } of tensors) {
      // Layers that add nothing leave the token's embedding, and the output of each token looks for that of the one before.
      if (/attn_output|ffn_down/.test(name)) await file.write(Buffer.alloc(bytes), 0, bytes, offset);
      if (name === "token_embd.weight") {
        embeddings = Buffer.alloc(bytes);
        await file.read(embeddings, 0, bytes, offset);
      }
      if (name === "output.weight" && width !== undefined) {
        const row = width * 2;
        const output = Buffer.concat([embeddings.subarray(-row), embeddings.subarray(0, -row)]);
        for (let token = missing; missing > 0 && token < bytes / row; token += missing) {
          output.fill(0, token * row, (token + 1) * row);
        }
        await file.write(output, 0, bytes, offset);
      }
      offset += padded(bytes);
    }
  } finally {
    await file.close();
  }
}
