#!/usr/bin/env node
// Writes a GGUF file in the shape of Mistral-7B-Instruct-v0.2, or of another kind of model, with random weights; `--help`
// tells the options. For tests and benchmarks: it computes what the real model computes, at the same speed, and answers
// nonsense.

import { resolve } from "node:path";
import { argv, exit, stderr, stdout } from "node:process";
import { parseArgs } from "node:util";
import { messageOf } from "./lib/errors.mjs";
import { cachedModel } from "./models/cached-model.mjs";
import { SHAPE_NAMES, SHAPES } from "./models/shapes.mjs";
import { writeModel } from "./models/write-model.mjs";

const HELP = `Usage: node scripts/make-model.mjs --shape <shape> [options] (--out <file.gguf> | --cached)

  --shape <shape>     of Mistral: tiny, 125m, 7b (18 million, 125 million and 7.24 billion parameters), tiny-gaps (tiny
                      with tokens for filling gaps in a text); of small models
                      with other kinds of memory: recurrent (Mamba), hybrid (LFM2), sliding-window (OLMo 2),
                      hybrid-sliding-window (LFM2), latent (DeepSeek-V2), and encoder (BERT), without any
  --type <type>       q4_k_m, q5_k_m, q8_0, q4_0, f16 for the shapes of Mistral (default q4_k_m); f32 for
                      the others
  --out <file.gguf>   where to write
  --cached            write into the cache folder unless it is there already
  --seed <number>     of the random weights (default 1): the same seed gives the same file
  --split <count>     spread the tensors over so many files, named <file>-00001-of-0000N.gguf
  --vocab-only        metadata and vocabulary, no tensors

Prints the path of the file, or of the first one of a split.
`;

try {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      shape: { type: "string" },
      type: { type: "string" },
      out: { type: "string" },
      cached: { type: "boolean", default: false },
      seed: { type: "string", default: "1" },
      split: { type: "string", default: "1" },
      "vocab-only": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    stdout.write(HELP);
    exit(0);
  }
  const shape = oneOf("--shape", values.shape, SHAPE_NAMES);
  const { types } = SHAPES[shape];
  const options = {
    shape,
    type: oneOf(`--type of ${shape}`, values.type ?? types[0], types),
    seed: wholeNumber("--seed", values.seed, 0, Number.MAX_SAFE_INTEGER),
    split: wholeNumber("--split", values.split, 1, 20),
    vocabularyOnly: values["vocab-only"],
  };
  if ((values.out === undefined) !== values.cached) throw new Error("Expected either --out or --cached");
  const [first] =
    values.out === undefined ? await cachedModel(options) : await writeModel(resolve(values.out), options);
  stdout.write(`${first}\n`);
} catch (error) {
  stderr.write(`make-model: ${messageOf(error)}\n`);
  exit(1);
}

/**
 * @template {string} Name
 * @param {string} option
 * @param {string | undefined} value
 * @param {Name[]} names
 * @returns {Name}
 */
function oneOf(option, value, names) {
  const name = names.find((candidate) => candidate === value);
  if (name === undefined)
    throw new Error(`Expected ${names.join(" or ")} for ${option} but received ${value ?? "nothing"}`);
  return name;
}

/**
 * @param {string} option
 * @param {string} value
 * @param {number} least
 * @param {number} most
 */
function wholeNumber(option, value, least, most) {
  const number = /^\d+$/.test(value) ? Number(value) : NaN;
  if (!(number >= least && number <= most)) {
    throw new Error(`Expected a whole number from ${least} to ${most} for ${option} but received ${value}`);
  }
  return number;
}
