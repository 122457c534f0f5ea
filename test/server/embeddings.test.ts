import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { OpenAIEmbeddings } from "@langchain/openai";
import { embedMany } from "ai";
import { Ollama } from "ollama";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { LlamaModel } from "../../src/index.js";
import { loadModel } from "../../src/index.js";
import { embeddingBytes, overheadBytes } from "../../src/model/memory-estimate.js";
import { readModelShape } from "../../src/model/model-memory.js";
import { modelNeeds } from "../../src/server/models/model-needs.js";
import { embeddingList } from "../../src/server/openai/embeddings.js";
import type { LlamaServer } from "../../src/server/index.js";
import { createServer } from "../../src/server/index.js";
import { encoderModel, smollm2 } from "../support/models.js";
import { expectShape, metric, openaiClient, post } from "./support.js";

const texts = ["The cat sleeps on the sofa.", "Stock prices fell sharply today."];

let server: LlamaServer;
let library: LlamaModel;
let vectors: number[][];

beforeAll(async () => {
  const context = { contextSize: 1024, sequences: 2 };
  server = await createServer({
    port: 0,
    models: [
      { source: await smollm2(), name: "smollm2", context },
      { source: await encoderModel(), name: "encoder" },
    ],
  });
  await server.ready;
  library = await loadModel(await smollm2());
  vectors = (await library.embed(texts)).map((vector) => Array.from(vector));
});
afterAll(async () => {
  await server.close();
  await library.dispose();
});

function cosine(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? NaN), 0);
}

/** Computed in another company, the last digits may be others. */
function expectAlike(received: readonly (readonly number[])[], expected: readonly (readonly number[])[]): void {
  expect(received.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  for (const [index, vector] of received.entries())
    expect(cosine(vector, expected[index] ?? [])).toBeGreaterThan(0.9999);
}

describe("/v1/embeddings", () => {
  test("gives the library's vectors to OpenAI's client, as numbers and as bytes", async () => {
    const client = openaiClient(server);
    const tokens = texts.map((text) => library.tokenizer.encode(text, { addSpecial: true }).length);
    const counted = tokens.reduce((sum, count) => sum + count, 0);
    const counter = 'llama_native_prompt_tokens_total{model="smollm2"}';
    for (const format of ["float", "base64", undefined] as const) {
      const before = (await metric(server, counter)) || 0;
      const answer = await client.embeddings.create({
        ...{ model: "smollm2", input: texts },
        ...(format === undefined ? {} : { encoding_format: format }),
      });
      expect(answer).toMatchObject({ object: "list", model: "smollm2" });
      expect(answer.usage).toEqual({ prompt_tokens: counted, total_tokens: counted });
      expect(answer.data.map(({ object, index }) => [object, index])).toEqual([
        ["embedding", 0],
        ["embedding", 1],
      ]);
      expect((await metric(server, counter)) - before).toBe(counted);
      if (format !== "base64")
        expectAlike(
          answer.data.map(({ embedding }) => embedding),
          vectors,
        );
    }
    const bytes = expectShape(
      embeddingList,
      await (await post(server, "/v1/embeddings", { input: texts[0], encoding_format: "base64" })).json(),
    );
    const read = new Float32Array(Uint8Array.from(Buffer.from(String(bytes.data[0]?.embedding), "base64")).buffer);
    expectAlike([Array.from(read)], vectors.slice(0, 1));
  });

  test("takes tokens, one text or more than the engine computes at once", async () => {
    const client = openaiClient(server);
    const encoded = texts.map((text) => Array.from(library.tokenizer.encode(text, { addSpecial: true })));
    const ofTokens = await client.embeddings.create({ model: "smollm2", input: encoded, encoding_format: "float" });
    expectAlike(
      ofTokens.data.map(({ embedding }) => embedding),
      vectors,
    );
    const one = await client.embeddings.create({ model: "smollm2", input: encoded[0] ?? [], encoding_format: "float" });
    expectAlike(
      one.data.map(({ embedding }) => embedding),
      vectors.slice(0, 1),
    );
    const many = Array.from({ length: 40 }, (_, index) => texts[index % 2] ?? "");
    const all = await client.embeddings.create({ model: "smollm2", input: many, encoding_format: "float" });
    expectAlike(
      all.data.map(({ embedding }) => embedding),
      many.map((_, index) => vectors[index % 2] ?? []),
    );
  });

  test("shortens vectors to the dimensions asked for, again of length 1", async () => {
    const answer = expectShape(
      embeddingList,
      await (await post(server, "/v1/embeddings", { input: texts[0], dimensions: 64 })).json(),
    );
    const vector = answer.data[0]?.embedding as number[];
    const begin = (vectors[0] ?? []).slice(0, 64);
    const length = Math.sqrt(cosine(begin, begin));
    expectAlike([vector], [begin.map((value) => value / length)]);
  });

  test.each([
    [{ input: "" }, 400, "input"],
    [{ input: [] }, 400, "input"],
    [{ input: ["a", ""] }, 400, "input[1]"],
    [{ input: [[1, 2, 99_999_999]] }, 400, "input[0][2]"],
    [{ input: "a", dimensions: 100_000 }, 400, "dimensions"],
    [{ input: "a", encoding_format: "hex" }, 400, "encoding_format"],
    [{ input: "a", model: "none" }, 404, "model"],
    [{ input: ["a", "word ".repeat(10_000)], model: "smollm2" }, 400, "input[1]"],
    // Each element could be an issue of each kind's, and each issue an object.
    [{ input: Array(5_000_000).fill({}) }, 400, "input[0]"],
    [{ input: ["a", ...Array(2000).fill(7)] }, 400, "input[1]"],
  ])("%# refuses what cannot be", async (body, status, param) => {
    const response = await post(server, "/v1/embeddings", body);
    expect(response.status).toBe(status);
    expect(((await response.json()) as { error: { param: unknown } }).error.param).toBe(param);
  });

  test("a client that leaves ends the rest of its texts", async () => {
    const stop = new AbortController();
    const input = Array.from({ length: 2000 }, (_, index) => `${"word ".repeat(50)}${index}`);
    const left = post(server, "/v1/embeddings", { input, model: "smollm2" }, { signal: stop.signal });
    setTimeout(() => stop.abort(), 300);
    await expect(left).rejects.toThrow();
    const began = performance.now();
    const answer = await openaiClient(server).embeddings.create({ model: "smollm2", input: "a" });
    expect(answer.data).toHaveLength(1);
    // All of them would take minutes.
    expect(performance.now() - began).toBeLessThan(20_000);
  });
});

test("LangChain and the AI SDK", async () => {
  const langchain = new OpenAIEmbeddings({
    ...{ model: "smollm2", apiKey: "local", maxRetries: 0 },
    configuration: { baseURL: `${server.url}/v1` },
  });
  expectAlike(await langchain.embedDocuments(texts), vectors);
  const provider = createOpenAICompatible({ name: "local", baseURL: `${server.url}/v1` });
  const { embeddings, usage } = await embedMany({ model: provider.embeddingModel("smollm2"), values: texts });
  expectAlike(embeddings, vectors);
  expect(usage.tokens).toBeGreaterThan(0);
});

describe("Ollama's client", () => {
  const client = (): Ollama => new Ollama({ host: server.url });

  test("embeds, and asks for one as it did before", async () => {
    const answer = await client().embed({ model: "smollm2", input: texts });
    expectAlike(answer.embeddings, vectors);
    expect(answer).toMatchObject({ model: "smollm2", prompt_eval_count: expect.any(Number) });
    expect(answer.total_duration).toBeGreaterThan(0);
    const old = await client().embeddings({ model: "smollm2", prompt: texts[0] ?? "" });
    const length = Math.hypot(...old.embedding);
    expectAlike([old.embedding.map((value) => value / length)], vectors.slice(0, 1));
    // It is as long as the model made it.
    const raw = await library.embed(texts[0] ?? "", { normalize: false });
    expect(length / Math.hypot(...raw)).toBeCloseTo(1, 2);
    expect((await client().embed({ model: "smollm2", input: "" })).embeddings).toEqual([]);
  });

  test("cuts off what is too long but for the mark of its end, unless it is told not to", async () => {
    const input = "word ".repeat(600);
    const cut = await client().embed({ model: "encoder", input });
    expect(cut.prompt_eval_count).toBe(512);
    const encoder = await loadModel(await encoderModel());
    try {
      const tokens = encoder.tokenizer.encode(input, { addSpecial: true });
      const [last] = tokens.slice(-1);
      expect([tokens.length, last]).toEqual([603, encoder.tokenizer.eos]);
      const vector = await encoder.embed(Int32Array.of(...tokens.slice(0, 511), last ?? -1));
      expectAlike(cut.embeddings, [Array.from(vector)]);
    } finally {
      await encoder.dispose();
    }
    await expect(client().embed({ model: "encoder", input, truncate: false })).rejects.toThrow(/603 tokens/);
  });

  test("loads a model without a text, and unloads it", async () => {
    const answer = await post(server, "/api/generate", { model: "encoder", keep_alive: 0, stream: false });
    expect([answer.status, await answer.json()]).toMatchObject([200, { done_reason: "unload" }]);
    const loaded = await post(server, "/api/embed", { model: "encoder" });
    expect([loaded.status, await loaded.json()]).toMatchObject([200, { embeddings: [], prompt_eval_count: 0 }]);
  });
});

describe("a model that makes embeddings alone", () => {
  test("embeds, and says so", async () => {
    const answer = await openaiClient(server).embeddings.create({ model: "encoder", input: texts });
    expect(answer.data.map(({ embedding }) => embedding.length)).toEqual([128, 128]);
    const shown = await new Ollama({ host: server.url }).show({ model: "encoder" });
    expect(shown.capabilities).toEqual(["embedding"]);
    const model = await openaiClient(server).models.retrieve("encoder");
    expect(model).toMatchObject({ meta: { n_ctx: 512, n_embd: 128 } });
  });

  test.each([
    ["/v1/chat/completions", { messages: [{ role: "user", content: "Hello" }] }],
    ["/v1/completions", { prompt: "Hello" }],
  ])("refuses %s", async (path, body) => {
    const response = await post(server, path, { model: "encoder", ...body });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { param: "model", message: "Not supported: encoder makes embeddings alone" },
    });
  });

  test("is counted in a server's budget with what it keeps, and nothing for answers", async () => {
    const path = await encoderModel();
    const { bytes, context } = await modelNeeds(path, { context: { ramCacheSize: 1e9 } }, Infinity, []);
    const shape = await readModelShape(path);
    expect(context).toEqual({});
    expect(bytes).toBe(Math.round(shape.weightBytes + overheadBytes(shape) + embeddingBytes(shape, 512)));
  });

  test("makes no contexts to generate in", async () => {
    const model = await loadModel(await encoderModel());
    try {
      expect(model.info.canGenerate).toBe(false);
      const refusal = { code: "INVALID_OPTION", message: expect.stringContaining("(bert) makes embeddings alone") };
      await expect(model.createContext()).rejects.toMatchObject(refusal);
      const [one, same] = await model.embed([texts[0] ?? "", texts[0] ?? ""]);
      const [alone] = await model.embed([texts[0] ?? ""]);
      expectAlike(
        [one, same].map((vector) => Array.from(vector ?? [])),
        Array(2).fill(Array.from(alone ?? [])),
      );
      const params = { contextSize: 64 };
      expect(() => model.createChat({ context: params })).toThrow(expect.objectContaining(refusal));
    } finally {
      await model.dispose();
    }
  });
});
