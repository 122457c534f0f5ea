import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";

import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";
import { generateObject, generateText, streamText, tool } from "ai";
import { Ollama } from "ollama";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";

import { messageAnswer } from "../../src/server/anthropic/message-answer.js";
import type { LlamaServer } from "../../src/server/index.js";
import { createFetchHandler } from "../../src/server/index.js";
import { chatAnswer, generateAnswer } from "../../src/server/ollama/answers.js";
import { smollm2, tinyModel } from "../support/models.js";
import { eventsOf, expectShape, france, idle, openaiClient, post, startServer } from "./support.js";

let server: LlamaServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const system = "You are a helpful assistant.";
const question = "What is the capital of Japan?";
/** SmolLM2 goes on with it for long. */
const endless = [{ role: "user" as const, content: "Count from 1 to 1000: 1, 2, 3," }];

describe("@anthropic-ai/sdk", () => {
  const client = (): Anthropic => new Anthropic({ baseURL: server.url, apiKey: "local", maxRetries: 0 });
  const request = {
    model: "smollm2",
    max_tokens: 24,
    temperature: 0,
    system,
    messages: [{ role: "user" as const, content: question }],
  };

  test("messages", async () => {
    const answer = expectShape(messageAnswer, await client().messages.create(request));
    expect(answer).toMatchObject({
      stop_reason: "end_turn",
      content: [{ type: "text", text: expect.stringContaining("Tokyo") }],
    });
    const stopped = await client().messages.create({ ...request, stop_sequences: [" is"] });
    expect(stopped).toMatchObject({ stop_reason: "stop_sequence", stop_sequence: " is" });
    const cut = await client().messages.create({ ...request, max_tokens: 1 });
    expect(cut.stop_reason).toBe("max_tokens");
  });

  test("streams what the client puts together, and counts tokens", async () => {
    const stream = client().messages.stream(request);
    let text = "";
    stream.on("text", (piece) => (text += piece));
    const message = await stream.finalMessage();
    expect(text).toContain("Tokyo");
    expect(message.content).toMatchObject([{ type: "text", text }]);
    const { input_tokens, cache_read_input_tokens } = message.usage;
    const { max_tokens: _m, temperature: _t, ...counted } = request;
    const count = await client().messages.countTokens(counted);
    expect(input_tokens + (cache_read_input_tokens ?? 0)).toBe(count.input_tokens);
    const format = { type: "json_schema" as const, schema: { type: "object" } };
    expect(await client().messages.countTokens({ ...counted, output_config: { format } })).toEqual(count);
  });

  test("tools", async () => {
    const answer = await client().messages.create({
      ...request,
      max_tokens: 80,
      tools: [
        {
          name: "weather",
          input_schema: { type: "object", properties: { city: { enum: ["Tokyo"] } }, required: ["city"] },
        },
      ],
      tool_choice: { type: "tool", name: "weather" },
    });
    expect(answer).toMatchObject({
      stop_reason: "tool_use",
      content: [{ type: "tool_use", name: "weather", input: { city: "Tokyo" } }],
    });
    const [used] = answer.content;
    const next = await client().messages.create({
      ...request,
      messages: [
        ...request.messages,
        { role: "assistant", content: [used as Anthropic.ToolUseBlockParam] },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: (used as { id: string }).id, content: "sunny" }],
        },
      ],
    });
    expect(next.content[0]!.type).toBe("text");
  });

  test("structured output, and strict tools", async () => {
    const city = z.object({ city: z.string().max(20), country: z.string().max(20) });
    const { parsed_output: found } = await client().messages.parse({
      ...request,
      max_tokens: 60,
      output_config: { format: zodOutputFormat(city) },
    });
    expect(city.parse(found)).toEqual(found);
    // A schema that no grammar keeps matters only where it is to be kept.
    const ask = (strict: boolean): Promise<Anthropic.Message> =>
      client().messages.create({
        ...request,
        tools: [{ name: "count", strict, input_schema: { type: "object", minProperties: 1 } }],
      });
    expect((await ask(false)).content.length).toBeGreaterThan(0);
    await expect(ask(true)).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining("tools[0].input_schema.minProperties") as string,
    });
  });

  test("aborting a stream ends its request", async () => {
    const stream = client().messages.stream({ ...request, max_tokens: 2000, messages: endless });
    await new Promise((resolve) => stream.once("text", resolve));
    stream.abort();
    await expect(stream.done()).rejects.toBeInstanceOf(Anthropic.APIUserAbortError);
    await idle(server);
  });

  test("errors are Anthropic's", async () => {
    await expect(client().messages.create({ ...request, model: "claude" })).rejects.toBeInstanceOf(
      Anthropic.NotFoundError,
    );
    await expect(client().messages.create({ ...request, max_tokens: 0 })).rejects.toMatchObject({
      status: 400,
      error: {
        type: "error",
        error: { type: "invalid_request_error", message: expect.stringContaining("max_tokens") },
      },
    });
  });
});

describe("ollama", () => {
  const client = (): Ollama => new Ollama({ host: server.url });
  const options = { temperature: 0, num_predict: 24 };

  test("chat and generate", async () => {
    const answer = expectShape(chatAnswer, await client().chat({ model: "smollm2:latest", messages: france, options }));
    expect(answer).toMatchObject({
      done: true,
      done_reason: "stop",
      message: { content: expect.stringContaining("Tokyo") },
    });
    let text = "";
    let last;
    for await (const part of await client().chat({ model: "smollm2", messages: france, options, stream: true })) {
      text += expectShape(chatAnswer, part).message.content;
      last = part;
    }
    expect(text).toBe(answer.message.content);
    expect(last).toMatchObject({ done: true, eval_count: answer.eval_count });
    const generated = await client().generate({ model: "smollm2", prompt: question, system, options });
    expect(expectShape(generateAnswer, generated).response).toContain("Tokyo");
    const raw = await client().generate({ model: "smollm2", prompt: "1, 2, 3,", raw: true, options });
    expect(raw.response).toContain("4");
    const format = { type: "object", properties: { capital: { enum: ["Tokyo", "Rome"] } }, required: ["capital"] };
    const formed = await client().chat({ model: "smollm2", messages: france, format, options });
    expect(JSON.parse(formed.message.content)).toEqual({ capital: expect.stringMatching(/Tokyo|Rome/) });
  });

  test("a system text that raw would drop is refused, and mirostat is taken", async () => {
    const raw = client().generate({ model: "smollm2", prompt: "1, 2,", system: "Count.", raw: true });
    await expect(raw).rejects.toThrow("system: Expected no value beside raw");
    const options = { mirostat: 2, mirostat_tau: 3, num_predict: 4 };
    const { eval_count } = await client().generate({ model: "smollm2", prompt: "1, 2,", raw: true, options });
    expect(eval_count).toBe(4);
  });

  test("tags, show, ps, version, loading", async () => {
    expect((await client().list()).models).toMatchObject([{ name: "smollm2", details: { family: "llama" } }]);
    expect((await client().ps()).models).toMatchObject([{ name: "smollm2", context_length: 4096 }]);
    const shown = await client().show({ model: "smollm2" });
    expect(shown.template).toContain("im_start");
    // Numbers as such: clients look for the context length here.
    const numbers = { "general.architecture": "llama", "llama.context_length": 8192, "llama.block_count": 30 };
    expect(shown.model_info).toMatchObject(numbers);
    expect((await client().version()).version).toMatch(/^\d+\./);
    const loaded = await client().generate({ model: "smollm2", prompt: "" });
    expect(loaded).toMatchObject({ done: true, done_reason: "load", response: "" });
  });

  test("what the original's own client in Go sends, with empty values for all that it leaves open", async () => {
    const root = await fetch(server.url, { method: "HEAD" });
    expect([root.status, await (await fetch(server.url)).text()]).toEqual([200, "llama-native is running"]);
    const show = { model: "", name: "smollm2", system: "", template: "", options: null };
    expect(await (await post(server, "/api/show", show)).json()).toMatchObject({ details: { format: "gguf" } });
    const empty = { suffix: "", system: "", template: "", _debug_render_only: false, options: { num_predict: 2 } };
    const generated = await post(server, "/api/generate", {
      model: "smollm2",
      prompt: "1, 2,",
      stream: false,
      ...empty,
    });
    expect(await generated.json()).toMatchObject({ done: true, eval_count: 2 });
    const other = await post(server, "/api/generate", { model: "smollm2", prompt: "x", template: "{{ .Prompt }}" });
    expect([other.status, await other.text()]).toEqual([400, expect.stringContaining("template")]);
  });

  test("errors are Ollama's, and aborting ends the request", async () => {
    await expect(client().chat({ model: "nope", messages: france })).rejects.toMatchObject({ status_code: 404 });
    const own = client();
    const stream = await own.chat({
      model: "smollm2",
      messages: france,
      options: { num_predict: 2000, stop: ["\u0001"] },
      stream: true,
    });
    for await (const _ of stream) break;
    own.abort();
    await idle(server);
  });
});

describe("the AI SDK", () => {
  const provider = (): ReturnType<typeof createOpenAICompatible> =>
    createOpenAICompatible({ name: "local", baseURL: `${server.url}/v1`, includeUsage: true });

  test("generateText and streamText", async () => {
    const request = { model: provider()("smollm2"), system, prompt: question, temperature: 0, maxOutputTokens: 24 };
    const { text, finishReason, usage } = await generateText(request);
    expect(text).toContain("Tokyo");
    expect(finishReason).toBe("stop");
    const stream = streamText(request);
    let streamed = "";
    for await (const piece of stream.textStream) streamed += piece;
    expect(streamed).toBe(text);
    expect((await stream.usage).outputTokens).toBe(usage.outputTokens);
  });

  test("tools, and objects of a schema", async () => {
    const city = z.object({ city: z.enum(["Tokyo"]) });
    const model = provider()("smollm2");
    const { toolCalls } = await generateText({
      model,
      prompt: question,
      tools: { weather: tool({ inputSchema: city }) },
      toolChoice: { type: "tool", toolName: "weather" },
    });
    expect(toolCalls).toMatchObject([{ toolName: "weather", input: { city: "Tokyo" } }]);
    const structured = createOpenAICompatible({
      name: "local",
      baseURL: `${server.url}/v1`,
      supportsStructuredOutputs: true,
    });
    const { object } = await generateObject({ model: structured("smollm2"), prompt: question, schema: city });
    expect(object).toEqual({ city: "Tokyo" });
  });

  test("errors, and aborting ends the request", async () => {
    const unknown = generateText({ model: provider()("nope"), prompt: question, maxRetries: 0 });
    await expect(unknown).rejects.toMatchObject({ statusCode: 404, message: expect.stringContaining("smollm2") });
    const stop = new AbortController();
    const stream = streamText({ model: provider()("smollm2"), messages: endless, abortSignal: stop.signal });
    for await (const _ of stream.textStream) stop.abort();
    await idle(server);
  });
});

describe("LangChain", () => {
  const open = (model = "smollm2", maxTokens = 24): ChatOpenAI =>
    new ChatOpenAI({
      model,
      apiKey: "local",
      temperature: 0,
      maxTokens,
      maxRetries: 0,
      configuration: { baseURL: `${server.url}/v1` },
    });

  test("tools and structured output", async () => {
    const schema = z.object({ city: z.enum(["Tokyo"]) });
    const withTool = open("smollm2", 60).bindTools([{ name: "weather", description: "The weather", schema }], {
      tool_choice: "weather",
    });
    expect((await withTool.invoke(question)).tool_calls).toMatchObject([{ name: "weather", args: { city: "Tokyo" } }]);
    expect(await open("smollm2", 60).withStructuredOutput(schema).invoke(question)).toEqual({ city: "Tokyo" });
  });

  test("errors, and aborting ends the request", async () => {
    await expect(open("nope").invoke(question)).rejects.toMatchObject({ status: 404 });
    const stop = new AbortController();
    const reading = (async () => {
      const stream = await open("smollm2", 2000).stream(endless, { signal: stop.signal });
      for await (const _ of stream) stop.abort();
    })();
    await expect(reading).rejects.toThrow(/abort/i);
    await idle(server);
  });

  test("ChatOpenAI invokes and streams", async () => {
    const chat = open();
    const messages: [string, string][] = [
      ["system", system],
      ["user", question],
    ];
    const answer = await chat.invoke(messages);
    expect(answer.content).toContain("Tokyo");
    expect(answer).toMatchObject({ usage_metadata: { output_tokens: expect.any(Number) } });
    let text = "";
    for await (const chunk of await chat.stream(messages)) text += chunk.content as string;
    expect(text).toBe(answer.content);
  });
});

describe("curl", () => {
  test("the README's line", async () => {
    const body = JSON.stringify({ model: "smollm2", messages: france, temperature: 0 });
    const args = [`${server.url}/v1/chat/completions`, "-s", "-H", "Content-Type: application/json", "-d", body];
    const { stdout } = await promisify(execFile)("curl", args);
    expect((JSON.parse(stdout) as OpenAI.ChatCompletion).choices[0]!.message.content).toContain("Tokyo");
    const ollama = [
      `${server.url}/api/chat`,
      "-s",
      "-d",
      JSON.stringify({ model: "smollm2", messages: france, stream: false, options: { temperature: 0 } }),
    ];
    expect(JSON.parse((await promisify(execFile)("curl", ollama)).stdout)).toMatchObject({ done: true });
  });

  const curl = (...args: string[]): ChildProcess =>
    spawn("curl", ["-s", "-N", ...args], { stdio: ["ignore", "pipe", "ignore"] });
  const body = (fields: object): string[] => [
    `${server.url}/v1/chat/completions`,
    ...["-H", "Content-Type: application/json", "-d", JSON.stringify({ messages: endless, temperature: 0, ...fields })],
  ];

  test("streams, and leaving ends the request", async () => {
    const child = curl(...body({ stream: true, max_tokens: 2000 }));
    let text = "";
    child.stdout?.on("data", (data: Buffer) => (text += data.toString()));
    await expect.poll(() => text, { timeout: 10_000 }).toMatch(/^data: \{.*\}\n\ndata: \{/);
    child.kill();
    await idle(server);
  });

  test("an error has its status", async () => {
    const { stdout } = await promisify(execFile)("curl", ["-s", "-w", "%{http_code}", ...body({ temperature: 9 })]);
    expect(stdout).toMatch(/^\{"error":.*"param":"temperature".*\}400$/);
  });
});

describe("Text Generation Inference's routes", () => {
  test("generate, generate_stream and info", async () => {
    const inputs = "1, 2, 3,";
    const whole = (await (
      await post(server, "/generate", { inputs, parameters: { max_new_tokens: 6, details: true } })
    ).json()) as {
      generated_text: string;
      details: { tokens: { text: string }[]; finish_reason: string };
    };
    expect(whole.generated_text).toContain("4");
    expect(whole.details.tokens.map(({ text }) => text).join("")).toBe(whole.generated_text);
    const stream = await (await post(server, "/generate_stream", { inputs, parameters: { max_new_tokens: 6 } })).text();
    const events = eventsOf(stream) as { token: { text: string }; generated_text: string | null }[];
    expect(events.map(({ token }) => token.text).join("")).toBe(whole.generated_text);
    expect(events.map(({ generated_text }) => generated_text)).toEqual([
      null,
      null,
      null,
      null,
      null,
      whole.generated_text,
    ]);
    expect(await (await fetch(`${server.url}/info`)).json()).toMatchObject({
      model_id: "smollm2",
      max_total_tokens: 4096,
    });
    const full = await post(server, "/generate_stream", {
      inputs,
      parameters: { max_new_tokens: 6, return_full_text: true },
    });
    const fullEvents = eventsOf(await full.text()) as typeof events;
    expect(fullEvents.map(({ token }) => token.text)).toEqual(events.map(({ token }) => token.text));
    expect(fullEvents.at(-1)?.generated_text).toBe(inputs + whole.generated_text);
    // Where clients of the hub's inference API ask that know but the server's address.
    const atRoot = await post(server, "/", { inputs, parameters: { max_new_tokens: 6 } });
    expect(await atRoot.json()).toEqual([{ generated_text: whole.generated_text }]);
    const streamed = await post(server, "/", { inputs, parameters: { max_new_tokens: 6 }, stream: true });
    expect(eventsOf(await streamed.text())).toMatchObject(events.map(({ token }) => ({ token: { text: token.text } })));
    const bad = await post(server, "/generate", { inputs, parameters: { top_p: 7 } });
    expect([bad.status, await bad.json()]).toEqual([
      422,
      { error: expect.stringContaining("parameters.top_p"), error_type: "validation" },
    ]);
  });
});

describe("llama.cpp's routes", () => {
  test("tokenize, detokenize, apply-template", async () => {
    const { tokens } = (await (await post(server, "/tokenize", { content: "Hello world" })).json()) as {
      tokens: number[];
    };
    expect(await (await post(server, "/detokenize", { tokens })).json()).toEqual({ content: "Hello world" });
    const pieces = await (await post(server, "/tokenize", { content: "Hello", with_pieces: true })).json();
    expect(pieces).toEqual({ tokens: [{ id: tokens[0], piece: "Hello" }] });
    const { prompt } = (await (await post(server, "/apply-template", { messages: france })).json()) as {
      prompt: string;
    };
    expect(prompt).toMatch(/^<\|im_start\|>system\n[^]*<\|im_start\|>assistant\n$/);
  });
});

describe("createFetchHandler", () => {
  test("is the openai client's fetch, with no socket", async () => {
    await using handler = createFetchHandler({ models: { source: await smollm2(), name: "smollm2" } });
    await handler.ready;
    const client = new OpenAI({ baseURL: "http://model/v1", apiKey: "local", fetch: handler });
    const stream = await client.chat.completions.create({
      model: "smollm2",
      messages: france,
      temperature: 0,
      stream: true,
    });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toContain("Tokyo");
    const aborted = client.chat.completions.create(
      { model: "smollm2", messages: france },
      { signal: AbortSignal.abort() },
    );
    await expect(aborted).rejects.toThrow(/abort/i);
  });
});

test("a model answers by its name at the hub, as in the README", async () => {
  const context = { contextSize: 256 };
  const models = [{ source: await tinyModel(), name: "mistral-7b-instruct-v0.2", context }];
  await using own = await startServer({ models });
  const answer = await openaiClient(own).chat.completions.create({
    model: "mistralai/Mistral-7B-Instruct-v0.2",
    messages: [{ role: "user", content: "Hello!" }],
    max_tokens: 4,
  });
  expect(answer.usage?.completion_tokens).toBe(4);
});
