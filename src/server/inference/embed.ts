import type { LlamaModel } from "../../llama-model.js";
import { toUnitLength } from "../../model/embedder.js";
import type { EmbeddingRequest, Embeddings } from "../dialect.js";
import { Problem } from "../http/problem.js";
import type { Lease } from "../models/model-pool.js";

/** What the engine is given at once: afterwards other requests have their turn, and a client that has left is noticed. */
const textsAtOnce = 16;

export async function embed(lease: Lease, request: EmbeddingRequest, signal: AbortSignal): Promise<Embeddings> {
  const { model, entry, loadMs } = lease;
  const length = vectorLength(model, request);
  const inputs = await readTexts(model, request);
  const vectors: Float32Array[] = [];
  for (let at = 0; at < inputs.length; at += textsAtOnce) {
    signal.throwIfAborted();
    vectors.push(...(await model.embed(inputs.slice(at, at + textsAtOnce))));
  }
  return {
    model: entry.id,
    vectors: vectors.map((vector) => (length < vector.length ? toUnitLength(vector.slice(0, length)) : vector)),
    promptTokens: inputs.reduce((sum, tokens) => sum + tokens.length, 0),
    loadMs,
  };
}

function vectorLength({ info: { embeddingLength } }: LlamaModel, { dimensions = embeddingLength }: EmbeddingRequest) {
  if (dimensions <= embeddingLength) return dimensions;
  const message = `Expected at most ${embeddingLength} dimensions, which this model's vectors have, but received ${dimensions}`;
  throw new Problem("invalid_request", message, { param: "dimensions" });
}

async function readTexts({ tokenizer, info }: LlamaModel, request: EmbeddingRequest): Promise<Int32Array[]> {
  const { texts, param, isList, truncates } = request;
  return await Promise.all(
    texts.map(async (text, index) => {
      const name = isList ? `${param}[${index}]` : param;
      const tokens =
        typeof text === "string"
          ? await tokenizer.encodeAsync(text, { addSpecial: true })
          : tokenizer.checkTokens(text, name);
      if (tokens.length === 0) {
        throw new Problem("invalid_request", `Expected a text of at least one token for ${name}`, { param: name });
      }
      return truncates === true && info.contextLength > 0 ? tokens.slice(0, info.contextLength) : tokens;
    }),
  );
}
