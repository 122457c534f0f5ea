import { randomNumbers } from "../../../scripts/models/random.mjs";
import type { Corruption } from "./corruption.js";
import { either } from "./corruption.js";
import type { Range } from "./layout.js";
import type { Gguf } from "./gguf.js";

const seeds = Array.from({ length: 12 }, (_, index) => index + 1);

/** Random bytes in one part of the header: the same for the same seed. */
function flipped(model: Gguf, range: Range, count: number, seed: number): Buffer {
  const next = randomNumbers(seed, "flips");
  const copy = Buffer.from(model.bytes);
  for (let flip = 0; flip < count; flip++) {
    copy[range.start + (next() % (range.end - range.start))]! ^= 1 + (next() % 255);
  }
  return copy;
}

export const flips: Corruption[] = seeds.flatMap((seed) => [
  either(`three flipped bytes before the vocabulary, ${seed}`, (model) =>
    flipped(model, { start: 0, end: model.entry("tokenizer.ggml.tokens").valueAt }, 3, seed),
  ),
  either(`three flipped bytes in the vocabulary, ${seed}`, (model) =>
    flipped(model, model.entry("tokenizer.ggml.tokens"), 3, seed),
  ),
  either(`a flipped byte in the tensor list, ${seed}`, (model) => flipped(model, model.layout.tensorList, 1, seed)),
  either(`a hundred flipped bytes in the weights, ${seed}`, (model) =>
    flipped(model, { start: model.layout.dataStart, end: model.bytes.length }, 100, seed),
  ),
]);
