import type { LlamaModel } from "../../llama-model.js";
import { toUnitLength } from "../../model/embedder.js";
import type { EmbeddingRequest, Embeddings } from "../dialect.js";
import { Problem } from "../http/problem.js";
import type { Lease } from "../models/model-pool.js";

/** What the engine is given at once: afterwards other requests have their turn, and a client that has left is noticed. */
const textsAtOnce = 16;

/** Computed to the end of its texts in work when the signal is aborted, and no further. */
export async function embed(lease: Lease, request: EmbeddingRequest, signal: AbortSignal): Promise<Embeddings> {
  const { model, entry, loadMs } = lease;
  const { texts, normalizes: normalize = true } = request;
  const inputs: Int32Array[] = [];
  for (let at = 0; at < texts.length; at += textsAtOnce) {
    signal.throwIfAborted();
    const slice = texts.slice(at, at + textsAtOnce);
    inputs.push(...(await Promise.all(slice.map((text, index) => readText(model, text, at + index, request)))));
  }
  const vectors: Float32Array[] = [];
  for (let at = 0; at < inputs.length; at += textsAtOnce) {
    const made = await model.embed(inputs.slice(at, at + textsAtOnce), { normalize, signal });
    vectors.push(...made.map((vector) => shorten(vector, request)));
  }
  const promptTokens = inputs.reduce((sum, tokens) => sum + tokens.length, 0);
  return { model: entry.id, vectors, promptTokens, loadMs };
}

async function readText(
  { tokenizer, info }: LlamaModel,
  text: string | readonly number[],
  index: number,
  { param, isList, truncates = false }: EmbeddingRequest,
): Promise<Int32Array> {
  const name = isList ? `${param}[${index}]` : param;
  const tokens =
    typeof text === "string"
      ? await tokenizer.encodeSoon(text, { addSpecial: true })
      : tokenizer.checkTokens(text, name);
  const most = info.contextLength;
  if (tokens.length === 0) {
    throw new Problem("invalid_request", `Expected a text of at least one token for ${name}`, { param: name });
  }
  if (most === 0 || tokens.length <= most) return tokens;
  if (truncates) return withoutEnd(tokens, most, tokenizer.special);
  const message = `The text of ${name} has ${tokens.length} tokens, which do not fit in the model's context of ${most}`;
  const details = { promptTokens: tokens.length, contextSize: most };
  throw new Problem("context_length_exceeded", message, { param: name, details });
}

/** The first so many tokens; a mark of the end stays there, of which some models make their vector. */
function withoutEnd(
  tokens: Int32Array,
  length: number,
  { eos, sep }: { eos: number | null; sep: number | null },
): Int32Array {
  const begin = tokens.slice(0, length);
  const last = tokens.at(-1);
  if (last !== undefined && (last === eos || last === sep)) begin[length - 1] = last;
  return begin;
}

function shorten(vector: Float32Array, { dimensions, normalizes = true }: EmbeddingRequest): Float32Array {
  if (dimensions === undefined || dimensions === vector.length) return vector;
  if (dimensions > vector.length) {
    const message = `Expected at most ${vector.length} dimensions, which this model's vectors have, but received ${dimensions}`;
    throw new Problem("invalid_request", message, { param: "dimensions" });
  }
  const begin = vector.slice(0, dimensions);
  return normalizes ? toUnitLength(begin) : begin;
}
