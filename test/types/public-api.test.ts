import { describe, expectTypeOf, it } from "vitest";

import type {
  ChatMessage,
  ChatSession,
  ChatTemplate,
  ContextInfo,
  FinishReason,
  GeneratedToken,
  GenerateOptions,
  Generation,
  GenerationEvent,
  GenerationResult,
  LlamaContext,
  LlamaErrorCode,
  LlamaModel,
  LlamaSequence,
  LoadModelOptions,
  Tokenizer,
} from "../../src/index.js";
import { LlamaError, loadModel, pullModel } from "../../src/index.js";

/** Never called: only its types matter, which `npm run typecheck` checks together with the expected errors. */
export function uses(model: LlamaModel, context: LlamaContext, chat: ChatSession): void {
  // exactly one prompt
  context.generate({ prompt: "x" });
  context.generate({ messages: [{ role: "user", content: "x" }], tools: [] });
  context.generate({ tokens: [1, 2], maxTokens: 3 });
  // @ts-expect-error no prompt at all
  context.generate({ maxTokens: 3 });
  // @ts-expect-error two prompts
  context.generate({ prompt: "x", tokens: [1] });
  // @ts-expect-error tools belong to messages
  context.generate({ prompt: "x", tools: [] });
  // @ts-expect-error a misspelt option
  context.generate({ prompt: "x", maxtokens: 3 });
  // @ts-expect-error a value of the wrong type
  context.generate({ prompt: "x", stop: 3 });
  // @ts-expect-error a sampler that is not there
  context.generate({ prompt: "x", samplerOrder: ["topk"] });

  // options may be undefined, also where exactOptionalPropertyTypes is on
  context.generate({ prompt: "x", signal: undefined, seed: undefined, dry: { base: undefined } });

  // @ts-expect-error the prompt of a session is its history
  chat.send("x", { prompt: "y" });
  chat.send([{ role: "tool", content: "42" }], { tools: [], templateVariables: { enable_thinking: false } });
  // @ts-expect-error a role that is not there
  chat.send({ role: "bot", content: "x" });
  // @ts-expect-error content of another kind
  chat.send({ role: "user", content: [{ type: "image", text: "x" }] });
  // @ts-expect-error the history is only read
  chat.history = [];

  // @ts-expect-error pooling "none" gives no vector for a text
  void model.embed("x", { pooling: "none" });
  // @ts-expect-error a type no KV cache has
  void model.createContext({ kvType: "q3_K" });
  void model.createContext({ kvType: { k: "q8_0", v: "f16" }, flashAttention: true });
  void model.createContext({ contextSize: "auto", kvType: "auto" });
  // @ts-expect-error only "auto" is known besides numbers
  void model.createContext({ contextSize: "all" });
  void pullModel("mistral:Q8_0", { onDownload: ({ bytes, totalBytes }) => bytes / totalBytes, connections: 8 });
  void loadModel("mistral", { offline: true, onDownload: ({ phase }) => phase === "waiting" });
  // @ts-expect-error metadata are only read
  model.metadata["x"] = "y";
}

describe("types of the public API", () => {
  it("of a model", () => {
    expectTypeOf<LlamaModel["tokenizer"]>().toEqualTypeOf<Tokenizer>();
    expectTypeOf<LlamaModel["chatTemplate"]>().toEqualTypeOf<ChatTemplate>();
    expectTypeOf<LlamaModel["createContext"]>().returns.resolves.toEqualTypeOf<LlamaContext>();
    expectTypeOf<LlamaModel["createChat"]>().returns.toEqualTypeOf<ChatSession>();
    expectTypeOf<LlamaModel>().toExtend<AsyncDisposable>();
    expectTypeOf<LoadModelOptions["gpuLayers"]>().toEqualTypeOf<number | "auto" | "all" | undefined>();
    const embedOne = (model: LlamaModel): Promise<Float32Array> => model.embed("x");
    const embedMany = (model: LlamaModel): Promise<Float32Array[]> => model.embed(["x"]);
    expectTypeOf(embedOne).toBeFunction();
    expectTypeOf(embedMany).toBeFunction();
  });

  it("of a context and its sequences", () => {
    expectTypeOf<LlamaContext["generate"]>().returns.toEqualTypeOf<Generation>();
    expectTypeOf<LlamaContext["generate"]>().parameter(0).toEqualTypeOf<GenerateOptions>();
    expectTypeOf<LlamaContext["info"]>().toEqualTypeOf<Readonly<ContextInfo>>();
    expectTypeOf<LlamaContext["sequence"]>().returns.resolves.toEqualTypeOf<LlamaSequence>();
    expectTypeOf<LlamaSequence["evaluate"]>().returns.resolves.toEqualTypeOf<Float32Array | null>();
  });

  it("of a generation: a promise's result, and three things to iterate", () => {
    expectTypeOf<Awaited<Generation>>().toEqualTypeOf<GenerationResult>();
    expectTypeOf<Generation>().toExtend<AsyncIterable<string>>();
    expectTypeOf<Generation["tokens"]>().returns.toExtend<AsyncIterable<GeneratedToken>>();
    expectTypeOf<Generation["events"]>().returns.toExtend<AsyncIterable<GenerationEvent>>();
    expectTypeOf<FinishReason>().toEqualTypeOf<"stop" | "length" | "tool_calls" | "cancelled">();
    expectTypeOf<Extract<GenerationEvent, { type: "end" }>["result"]>().toEqualTypeOf<GenerationResult>();
  });

  it("of a session", () => {
    expectTypeOf<ChatSession["send"]>().returns.toEqualTypeOf<Generation>();
    expectTypeOf<ChatSession["history"]>().toEqualTypeOf<ChatMessage[]>();
    expectTypeOf<ChatSession["fork"]>().returns.toEqualTypeOf<ChatSession>();
  });

  it("of errors", () => {
    expectTypeOf<LlamaError["code"]>().toEqualTypeOf<LlamaErrorCode>();
    expectTypeOf(new LlamaError("DECODE", "x")).toExtend<Error>();
  });
});
