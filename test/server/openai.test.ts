import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { LlamaServer } from "../../src/server/index.js";
import { chatChunk, chatCompletion } from "../../src/server/openai/chat-answer.js";
import { completion, completionChunk } from "../../src/server/openai/completions.js";
import { modelSchema } from "../../src/server/openai/models.js";
import { response } from "../../src/server/openai/response-answer.js";
import { responseEvent } from "../../src/server/openai/response-events.js";
import { expectShape, france, openaiClient, post, startServer } from "./support.js";

let server: LlamaServer;
let client: OpenAI;

beforeAll(async () => {
  server = await startServer();
  client = openaiClient(server);
});
afterAll(() => server.close());

const model = "smollm2";
const greedy = { model, messages: france, temperature: 0, max_tokens: 24 };
/** Fields that only llama.cpp's servers have. */
const extra = (fields: object): object => fields;

describe("chat/completions", () => {
  test("answers with exactly OpenAI's fields", async () => {
    const answer = await client.chat.completions.create(greedy);
    const { choices, usage } = expectShape(chatCompletion, answer);
    expect(choices).toMatchObject([{ index: 0, logprobs: null, finish_reason: "stop" }]);
    expect(choices[0]!.message).toEqual({
      role: "assistant",
      content: expect.stringContaining("Tokyo"),
      refusal: null,
    });
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
  });

  test("streams the same text, with the usage at the end", async () => {
    const whole = await client.chat.completions.create(greedy);
    const stream = await client.chat.completions.create({
      ...greedy,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    const chunks = [];
    for await (const chunk of stream) {
      chunks.push(expectShape(chatChunk, chunk));
      text += chunk.choices[0]?.delta.content ?? "";
    }
    expect(text).toBe(whole.choices[0]!.message.content);
    expect(chunks[0]!.choices[0]!.delta).toEqual({ role: "assistant", content: "", refusal: null });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    const last = chunks.at(-1)!;
    expect(last.choices).toEqual([]);
    expect(last.usage!.completion_tokens).toBe(whole.usage!.completion_tokens);
    expect(last.usage!.prompt_tokens_details.cached_tokens).toBeGreaterThan(10);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  test("n answers differ, have one usage, and come to the same in a stream", async () => {
    const request = { ...greedy, temperature: 1.5, n: 3, seed: 7 };
    const { choices, usage } = expectShape(chatCompletion, await client.chat.completions.create(request));
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(new Set(choices.map(({ message }) => message.content)).size).toBeGreaterThan(1);
    expect(usage.prompt_tokens).toBeLessThan(50);
    const texts = ["", "", ""];
    for await (const { choices: parts } of await client.chat.completions.create({ ...request, stream: true })) {
      for (const part of parts) texts[part.index] = (texts[part.index] ?? "") + (part.delta.content ?? "");
    }
    expect(texts).toEqual(choices.map(({ message }) => message.content));
  });

  test.each([
    ["a string", " is"],
    ["a list", ["never", " is"]],
  ])("stops at %s", async (_, stop) => {
    const { choices } = await client.chat.completions.create({ ...greedy, stop });
    expect(choices[0]).toMatchObject({
      finish_reason: "stop",
      message: { content: expect.stringMatching(/capital of Japan$/) },
    });
  });

  test("ends at max_tokens and max_completion_tokens", async () => {
    for (const limit of [{ max_tokens: 3 }, { max_tokens: null, max_completion_tokens: 3 }]) {
      const { choices, usage } = await client.chat.completions.create({ ...greedy, ...limit });
      expect(choices[0]!.finish_reason).toBe("length");
      expect(usage!.completion_tokens).toBe(3);
    }
  });

  test("repeats itself with a seed, alone in the engine", async () => {
    const request = { ...greedy, temperature: 1.2, seed: -5 };
    const first = await client.chat.completions.create(request);
    const second = await client.chat.completions.create(request);
    expect(second.choices[0]!.message.content).toBe(first.choices[0]!.message.content);
  });

  test("gives log-probabilities, whole and in a stream", async () => {
    const request = { ...greedy, logprobs: true, top_logprobs: 3, max_tokens: 5 };
    const { choices } = expectShape(chatCompletion, await client.chat.completions.create(request));
    const tokens = choices[0]!.logprobs!.content;
    expect(tokens.map(({ token }) => token).join("")).toBe(choices[0]!.message.content);
    for (const token of tokens) {
      expect(token.logprob).toBeLessThanOrEqual(0);
      expect(token.top_logprobs).toHaveLength(3);
      expect(token.top_logprobs[0]!.token).toBe(token.token);
    }
    const streamed: string[] = [];
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
      streamed.push(...(expectShape(chatChunk, chunk).choices[0]?.logprobs?.content ?? []).map(({ token }) => token));
    }
    expect(streamed).toEqual(tokens.map(({ token }) => token));
  });

  test("a bias of -100 forbids a token", async () => {
    const tokens = await fetch(`${server.url}/tokenize`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ content: " Tokyo" }),
    });
    const { tokens: ids } = (await tokens.json()) as { tokens: number[] };
    const { choices } = await client.chat.completions.create({ ...greedy, logit_bias: { [String(ids[0])]: -100 } });
    expect(choices[0]!.message.content).not.toContain(" Tokyo");
  });

  test("response_format: JSON objects, and JSON of a schema", async () => {
    const object = await client.chat.completions.create({
      ...greedy,
      max_tokens: 200,
      response_format: { type: "json_object" },
      messages: [{ role: "user", content: 'Answer with JSON such as {"city": "Rome"}: what is the capital of Japan?' }],
      stop: ["\n\n\n"],
    });
    expect(object.choices[0]!.finish_reason).toBe("stop");
    expect(JSON.parse(object.choices[0]!.message.content!)).toBeTypeOf("object");
    const schema = {
      type: "object",
      properties: {
        city: { type: "string", maxLength: 20 },
        rank: { type: "integer", minimum: 1, maximum: 12 },
        tags: { type: "array", items: { enum: ["big", "old"] }, minItems: 1, maxItems: 2 },
        note: { type: ["string", "null"], maxLength: 10 },
      },
      required: ["city", "rank", "tags"],
      additionalProperties: false,
    };
    for (const seed of [1, 2, 3, 4]) {
      const { choices } = await client.chat.completions.create({
        ...greedy,
        temperature: 1.2,
        seed,
        max_tokens: 200,
        response_format: { type: "json_schema", json_schema: { name: "city", schema, strict: true } },
      });
      expect(choices[0]!.finish_reason).toBe("stop");
      const value = JSON.parse(choices[0]!.message.content!) as Record<string, unknown>;
      expect(value["city"]).toBeTypeOf("string");
      expect(value["rank"]).toSatisfy((rank: number) => Number.isInteger(rank) && rank >= 1 && rank <= 12);
      expect(value["tags"]).toSatisfy((tags: string[]) => tags.length >= 1 && tags.length <= 2);
      expect(Object.keys(value).every((key) => key in schema.properties)).toBe(true);
    }
  });

  test("a required tool is called with arguments of its schema, whole and in a stream", async () => {
    const parameters = { type: "object", properties: { city: { type: "string", maxLength: 12 } }, required: ["city"] };
    const request = {
      ...greedy,
      max_tokens: 80,
      tools: [{ type: "function" as const, function: { name: "weather", description: "of a city", parameters } }],
      tool_choice: "required" as const,
      parallel_tool_calls: false,
    };
    const { choices } = expectShape(chatCompletion, await client.chat.completions.create(request));
    expect(choices[0]).toMatchObject({ finish_reason: "tool_calls", message: { content: null } });
    const call = choices[0]!.message.tool_calls![0]!;
    expect(call.function.name).toBe("weather");
    expect(JSON.parse(call.function.arguments)).toEqual({ city: expect.any(String) });
    const chunks = [];
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
      chunks.push(...(expectShape(chatChunk, chunk).choices[0]?.delta.tool_calls ?? []));
    }
    const [first, ...more] = chunks;
    const begun = { index: 0, id: expect.stringMatching(/^call_\w+$/), type: "function" };
    expect(first).toEqual({ ...begun, function: { name: "weather", arguments: "" } });
    expect(more.length).toBeGreaterThan(2);
    for (const chunk of more) expect(chunk).toEqual({ index: 0, function: { arguments: expect.stringMatching(/./) } });
    expect(more.map((chunk) => chunk.function.arguments).join("")).toBe(call.function.arguments);
    // The result goes back as a message.
    const after = await client.chat.completions.create({
      ...request,
      tool_choice: "none",
      messages: [
        ...france,
        { role: "assistant", content: null, tool_calls: [call] },
        { role: "tool", tool_call_id: call.id, content: "sunny" },
      ],
    });
    expect(after.choices[0]!.message.content).toBeTypeOf("string");
  });

  test("a strict tool that may be called is called with arguments of its schema", async () => {
    const tokens = await post(server, "/tokenize", { content: "{" });
    const { tokens: ids } = (await tokens.json()) as { tokens: number[] };
    const parameters = { type: "object", properties: { city: { enum: ["Rome"] } }, required: ["city"] };
    const ask = async (strict: boolean): Promise<OpenAI.ChatCompletion.Choice> => {
      const tool = { type: "function" as const, function: { name: "weather", strict, parameters } };
      // A model that would like nothing better than to write braces.
      const request = { ...greedy, max_tokens: 60, logit_bias: { [String(ids[0])]: 100 }, tools: [tool] };
      return (await client.chat.completions.create({ ...request, parallel_tool_calls: false })).choices[0]!;
    };
    const { finish_reason, message } = await ask(true);
    const [call] = message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
    expect([finish_reason, message.content, call?.function.name]).toEqual(["tool_calls", null, "weather"]);
    expect(JSON.parse(call!.function.arguments)).toEqual({ city: "Rome" });
    expect((await ask(false)).message.content).toMatch(/^\{+$/);
  });

  test("a strict tool leaves the answer free to be text", async () => {
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const of = (strict: boolean): object => ({ type: "function", function: { name: "weather", strict, parameters } });
    const ask = async (strict: boolean): Promise<string | null> => {
      const request = { ...greedy, tools: [of(strict)] } as typeof greedy;
      return (await client.chat.completions.create(request)).choices[0]!.message.content;
    };
    const text = await ask(false);
    expect(text).toMatch(/\w+ \w+/);
    expect(await ask(true)).toBe(text);
  });

  test("takes parts, developers, penalties, users and llama.cpp's extensions", async () => {
    const { choices } = await client.chat.completions.create({
      ...greedy,
      messages: [
        { role: "developer", content: [{ type: "text", text: "You are a helpful assistant." }] },
        {
          role: "user",
          content: [
            { type: "text", text: "What is the capital " },
            { type: "text", text: "of Japan?" },
          ],
        },
      ],
      frequency_penalty: 0.1,
      presence_penalty: 0.1,
      top_p: 0.9,
      user: "me",
      metadata: { a: "b" },
      ...extra({
        top_k: 5,
        min_p: 0.1,
        repeat_penalty: 1.05,
        repeat_last_n: 32,
        cache_prompt: true,
        samplers: ["top_k", "temperature"],
      }),
    });
    expect(choices[0]!.message.content).toContain("Tokyo");
    const forced = await client.chat.completions.create({ ...greedy, ...extra({ grammar: 'root ::= "yes"' }) });
    expect(forced.choices[0]!.message.content).toBe("yes");
  });

  test("a client that leaves a stream ends its own request and no other", async () => {
    const endless = { ...greedy, max_tokens: 1500, ...extra({ ignore_eos: true }) };
    const other = client.chat.completions.create({ ...greedy, max_tokens: 40, ...extra({ ignore_eos: true }) });
    const stream = await client.chat.completions.create({ ...endless, stream: true });
    let chunks = 0;
    for await (const _ of stream) if (++chunks === 5) break;
    const whole = new AbortController();
    const left = client.chat.completions.create(endless, { signal: whole.signal });
    setTimeout(() => whole.abort(), 100);
    await expect(left).rejects.toThrow(/abort/i);
    expect((await other).usage!.completion_tokens).toBe(40);
    const text = await (await fetch(`${server.url}/metrics`)).text();
    expect(text).toMatch(/requests_running\{model="smollm2"\} 0/);
  });
});

describe("completions", () => {
  const request = { model, prompt: "1, 2, 3,", temperature: 0, max_tokens: 6 };

  test("continues a text, an array of texts, and tokens", async () => {
    const one = expectShape(completion, await client.completions.create(request));
    expect(one.choices).toMatchObject([{ index: 0, finish_reason: "length", logprobs: null }]);
    expect(one.choices[0]!.text).toContain("4");
    const two = await client.completions.create({ ...request, prompt: ["1, 2, 3,", "a, b, c,"], n: 2 });
    expect(two.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(two.choices[2]!.text).toContain("d");
    const tokens = await client.completions.create({ ...request, prompt: [33, 28] });
    expect(tokens.usage!.prompt_tokens).toBe(2);
  });

  test("echo, logprobs, OpenAI's default of 16 tokens", async () => {
    const { choices } = await client.completions.create({ ...request, echo: true });
    expect(choices[0]!.text.startsWith("1, 2, 3, ")).toBe(true);
    const logged = expectShape(
      completion,
      await client.completions.create({ ...request, logprobs: 2, max_tokens: null }),
    );
    expect(logged.usage.completion_tokens).toBe(16);
    const { tokens, text_offset, top_logprobs } = logged.choices[0]!.logprobs!;
    expect(tokens).toHaveLength(16);
    expect(text_offset[1]).toBe(tokens[0]!.length);
    expect(Object.keys(top_logprobs[0]!)).toHaveLength(2);
  });

  test("streams", async () => {
    let text = "";
    const stream = await client.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) {
      chunks.push(expectShape(completionChunk, chunk));
      text += chunk.choices[0]?.text ?? "";
    }
    expect(text).toContain("4");
    expect(chunks.at(-1)!.usage!.completion_tokens).toBe(6);
  });

  test("suffix is refused by name where the model has no tokens for it", async () => {
    const gap = client.completions.create({ ...request, suffix: " 9" });
    await expect(gap).rejects.toMatchObject({ status: 400, param: "suffix", code: "unsupported" });
  });
});

describe("models", () => {
  test("lists and finds them, also by the names of others", async () => {
    const { data } = await client.models.list();
    expect(data).toHaveLength(1);
    expectShape(modelSchema, data[0]);
    for (const name of ["smollm2", "SmolLM2", "HuggingFaceTB/SmolLM2-135M-Instruct"]) {
      expect((await client.models.retrieve(name)).id).toBe("smollm2");
    }
    await expect(client.models.retrieve("gpt-9")).rejects.toMatchObject({
      status: 404,
      message: expect.stringContaining("smollm2"),
    });
  });
});

describe("responses", () => {
  const request = {
    model,
    instructions: "You are a helpful assistant.",
    input: "What is the capital of Japan?",
    temperature: 0,
  };

  test("answers with OpenAI's fields", async () => {
    const { output_text, ...sent } = await client.responses.create(request);
    const answer = expectShape(response, sent);
    expect(answer.status).toBe("completed");
    expect(output_text).toContain("Tokyo");
    expect(answer.timings?.predicted_n).toBe(answer.usage?.output_tokens);
    const cut = await client.responses.create({ ...request, max_output_tokens: 2 });
    expect(cut).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } });
  });

  test("streams events in order, which the client puts together", async () => {
    const stream = client.responses.stream(request);
    const types: string[] = [];
    for await (const event of stream) {
      expect(event.sequence_number).toBe(types.length);
      types.push(event.type);
    }
    expect([...new Set(types)]).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    const final = await stream.finalResponse();
    expect(final.output_text).toContain("Tokyo");
  });

  const weather = {
    type: "function" as const,
    name: "weather",
    strict: false,
    parameters: { type: "object", properties: { city: { enum: ["Tokyo"] } }, required: ["city"] },
  };
  const calling = { tools: [weather], tool_choice: { type: "function" as const, name: "weather" } };
  const logprobs = { include: ["message.output_text.logprobs" as const], top_logprobs: 2 };
  const schema = { type: "boolean" };
  const boolean = { text: { format: { type: "json_schema" as const, name: "a", schema } } };

  test.each<[string, object]>([
    ["text", {}],
    ["log-probabilities", logprobs],
    ["a call", calling],
    ["a form", boolean],
    ["an end before its time", { max_output_tokens: 2 }],
  ])("every event of a stream with %s has its own form, and the last one the whole answer", async (_, more) => {
    const events = [];
    for await (const event of await client.responses.create({ ...request, ...more, stream: true })) {
      events.push(expectShape(responseEvent, event));
    }
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()]);
    const last = events.at(-1);
    if (last?.type !== "response.completed" && last?.type !== "response.incomplete") throw new Error("Expected an end");
    const { output_text, ...sent } = await client.responses.create({ ...request, ...more });
    const whole = expectShape(response, sent);
    const { usage, output } = last.response;
    const own = { id: "", created_at: 0, completed_at: null, timings: null, usage: null, output: [] };
    expect({ ...last.response, ...own }).toEqual({ ...whole, ...own });
    expect(output).toHaveLength(whole.output.length);
    expect(usage?.output_tokens).toBe(whole.usage?.output_tokens);
    const deltas = events.filter((event) => event.type === "response.output_text.delta");
    expect(deltas.map(({ delta }) => delta).join("")).toBe(output_text);
    const expected = whole.output
      .flatMap((item) => (item.type === "message" ? item.content : []))
      .flatMap((part) => part.logprobs);
    expect(deltas.flatMap((event) => event.logprobs).map(({ token }) => token)).toEqual(
      expected.map(({ token }) => token),
    );
  });

  test("the client's own helper puts texts and calls together while they come", async () => {
    const text = client.responses.stream(request);
    const snapshots: string[] = [];
    text.on("response.output_text.delta", ({ snapshot }) => snapshots.push(snapshot));
    const answer = await text.finalResponse();
    expect(snapshots.length).toBeGreaterThan(2);
    expect(snapshots.at(-1)).toBe(answer.output_text);
    const call = client.responses.stream({ ...request, ...calling });
    const args: string[] = [];
    call.on("response.function_call_arguments.delta", ({ snapshot }) => args.push(snapshot));
    expect((await call.finalResponse()).output).toMatchObject([{ type: "function_call", status: "completed" }]);
    expect(args.at(-1)).toBe('{"city":"Tokyo"}');
  });

  test("tells its tools, choice and form as it was asked, with nulls for what was left out", async () => {
    const answer = await client.responses.create({ ...request, ...calling, max_output_tokens: 1 });
    expect(answer).toMatchObject({
      tools: [{ ...weather, description: null }],
      tool_choice: calling.tool_choice,
      text: { format: { type: "text" } },
    });
    const formed = await client.responses.create({ ...request, ...boolean, max_output_tokens: 1 });
    expect(formed.text?.format).toEqual({ type: "json_schema", name: "a", schema, strict: null });
  });

  test("tools, formats, and conversations as items", async () => {
    const { output_text: _, ...sent } = await client.responses.create({ ...request, ...calling });
    const called = expectShape(response, sent);
    expect(called.output).toMatchObject([{ type: "function_call", name: "weather", arguments: '{"city":"Tokyo"}' }]);
    const { output_text } = await client.responses.create({
      ...request,
      input: [
        { role: "user", content: "What is the capital of Japan?" },
        { role: "assistant", content: "The capital of Japan is Tokyo." },
        { role: "user", content: [{ type: "input_text", text: "Yes or no: is it big?" }] },
      ],
      text: { format: { type: "json_schema", name: "a", schema: { type: "boolean" } } },
    });
    expect(["true", "false"]).toContain(output_text);
    const stored = client.responses.create({ ...request, previous_response_id: "resp_1" });
    await expect(stored).rejects.toMatchObject({ status: 400, param: "previous_response_id" });
    const text = { format: { type: "json_object" as const } };
    const both = client.responses.create({ ...request, text, grammar: 'root ::= "a"' } as typeof request);
    await expect(both).rejects.toMatchObject({ status: 400, param: "text.format" });
  });
});
