// The models that can be written, by name.

import { bert } from "./bert.mjs";
import { deepseek2 } from "./deepseek2.mjs";
import { lfm2 } from "./lfm2.mjs";
import { mamba } from "./mamba.mjs";
import { mistral } from "./mistral.mjs";
import { olmo2 } from "./olmo2.mjs";

/**
 * @typedef {number | boolean | number[] | { float: number }} Hyperparameter
 *
 * @typedef {object} Shape
 * @property {string} architecture llama.cpp's name of it
 * @property {string} name
 * @property {string} label the parameter count as people say it
 * @property {boolean} [fillsGaps] has tokens that mark a gap in a text
 * @property {boolean} [marksEnd] has a token put behind each text
 * @property {number} [tokenTypes] kinds of text that its embeddings tell apart
 * @property {Record<string, Hyperparameter>} hyperparameters by their GGUF keys without the architecture
 * @property {import("./metadata.mjs").FileType[]} types it can be written in, the usual one first
 * @property {(type: import("./metadata.mjs").FileType) => import("./tensors.mjs").ModelTensor[]} tensors in the order of
 *   their data
 */

/** @type {import("./mistral.mjs").Size} */
const TINY = { label: "18M", width: 256, layers: 2, heads: 4, headsKv: 2, headWidth: 64, feedForward: 512 };

/**
 * Three sizes of Mistral, one with tokens for filling gaps, one small model for each further kind of memory that llama.cpp has,
 * a larger one with states, and one without any memory.
 * @satisfies {Record<string, Shape>}
 */
export const SHAPES = {
  /** 18 million parameters, 16 million of them the vocabulary's: the smallest that K-quants allow. */
  tiny: mistral(TINY),
  /** The same with three tokens for filling gaps, as models of code have them. */
  "tiny-gaps": { ...mistral(TINY), fillsGaps: true },
  /** 124.6 million parameters. */
  "125m": mistral({ label: "125M", width: 768, layers: 12, heads: 12, headsKv: 4, headWidth: 64, feedForward: 2048 }),
  /** Exactly Mistral-7B: 7.24 billion parameters. */
  "7b": mistral({ label: "7B", width: 4096, layers: 32, heads: 32, headsKv: 8, headWidth: 128, feedForward: 14336 }),
  /** A state of fixed size instead of attention. */
  recurrent: mamba({ label: "9M", width: 128, layers: 3, stepRank: 8 }),
  /** The same in the size of Mamba's smallest. */
  "recurrent-140m": mamba({ label: "140M", width: 768, layers: 24, stepRank: 48 }),
  /** Attention in every second layer, states of fixed size in the others. */
  hybrid: lfm2({}),
  /** Attention over the last 64 tokens in every second layer. */
  "sliding-window": olmo2,
  /** Attention, all of it over the last 64 tokens, in every second layer, states of fixed size in the others. */
  "hybrid-sliding-window": lfm2({ slidingWindow: 64 }),
  /** One compressed vector of a position in place of keys and values. */
  latent: deepseek2,
  /** No memory: it makes embeddings alone. */
  encoder: bert,
};

/** @typedef {keyof typeof SHAPES} ShapeName */
export const SHAPE_NAMES = /** @type {ShapeName[]} */ (Object.keys(SHAPES));
