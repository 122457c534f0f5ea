// What the clients make of an answer, their callers send back with the next question.

import Anthropic from "@anthropic-ai/sdk";
import { AIMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import type OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";

import { messageEvent } from "../../src/server/anthropic/message-answer.js";
import type { LlamaServer } from "../../src/server/index.js";
import { eventsOf, expectShape, france, openaiClient, post, startServer } from "./support.js";

let server: LlamaServer;
let client: OpenAI;

beforeAll(async () => {
  server = await startServer();
  client = openaiClient(server);
});
afterAll(() => server.close());

const model = "smollm2";
const request = { model, messages: france, temperature: 0, max_tokens: 60 };
const weather = zodFunction({ name: "weather", parameters: z.object({ city: z.enum(["Tokyo"]) }) });
const forced = { tools: [weather], tool_choice: { type: "function" as const, function: { name: "weather" } } };
const more = { role: "user" as const, content: "Thank you." };

describe("openai", () => {
  test("a message that the client has put together from a stream", async () => {
    const message = await client.chat.completions.stream(request).finalMessage();
    expect(message).toHaveProperty("parsed");
    const answer = await client.chat.completions.create({ ...request, messages: [...france, message, more] });
    expect(answer.choices[0]?.finish_reason).toBe("stop");
  });

  test("a call that the client has parsed, and its result with the tool's name", async () => {
    const { choices } = await client.chat.completions.parse({ ...request, ...forced });
    const message = choices[0]?.message;
    const [call] = message?.tool_calls ?? [];
    if (message === undefined || call === undefined) throw new Error("Expected a call");
    expect(call.function.parsed_arguments).toEqual({ city: "Tokyo" });
    const result = { role: "tool" as const, tool_call_id: call.id, name: "weather", content: "sunny" };
    const answer = await client.chat.completions.create({ ...request, messages: [...france, message, result] });
    expect(answer.choices[0]?.finish_reason).toBe("stop");
  });

  test("deltas of a stream, put together by hand", async () => {
    const calls: { index: number; id?: string; function: { name?: string; arguments: string } }[] = [];
    for await (const { choices } of await client.chat.completions.create({ ...request, ...forced, stream: true })) {
      for (const { index, function: piece, ...head } of choices[0]?.delta.tool_calls ?? []) {
        const call = (calls[index] ??= { index, ...head, function: { ...piece, arguments: "" } });
        call.function.arguments += piece?.arguments ?? "";
      }
    }
    expect(calls).toMatchObject([{ index: 0, function: { name: "weather", arguments: '{"city":"Tokyo"}' } }]);
    const message = { role: "assistant", content: null, tool_calls: calls };
    const result = { role: "tool", tool_call_id: calls[0]?.id, content: "sunny" };
    const answer = await post(server, "/v1/chat/completions", { ...request, messages: [...france, message, result] });
    expect(answer.status).toBe(200);
  });

  test("the output of a response, with a refusal in it", async () => {
    const asked = { model, temperature: 0, max_output_tokens: 60 };
    const input = [{ role: "user" as const, content: "What is the capital of Japan?" }];
    const { output } = await client.responses.stream({ ...asked, input }).finalResponse();
    expect(output[0]).toMatchObject({ content: [{ parsed: null }] });
    const refusal = { role: "assistant" as const, content: [{ type: "refusal" as const, refusal: "No." }] };
    const next = [...input, ...output, more, refusal, more] as OpenAI.Responses.ResponseInput;
    expect((await client.responses.create({ ...asked, input: next })).status).toBe("completed");
  });

  test("the helper's schemas, with formats and their patterns", async () => {
    const shape = z.object({ mail: z.email(), day: z.iso.date(), zip: z.string().regex(/^\d{5}$/) });
    const answer = await client.chat.completions.parse({
      ...request,
      max_tokens: 120,
      messages: [
        { role: "user", content: "As JSON: the mail is anna@example.com, the day 2001-02-03, the zip 12345." },
      ],
      response_format: zodResponseFormat(shape, "address"),
    });
    expect(shape.safeParse(answer.choices[0]?.message.parsed).success).toBe(true);
  });
});

test("LangChain's results of tools, which have the tool's name", async () => {
  const chat = new ChatOpenAI({
    model,
    apiKey: "local",
    temperature: 0,
    maxTokens: 40,
    configuration: { baseURL: `${server.url}/v1` },
  });
  const answer = await chat.invoke([
    new HumanMessage("What is the weather like?"),
    new AIMessage({ content: "", tool_calls: [{ id: "call_1", name: "weather", args: {} }] }),
    new ToolMessage({ content: "sunny", tool_call_id: "call_1", name: "weather" }),
  ]);
  expect(answer.content).not.toBe("");
});

describe("Anthropic's answers that the client has begun", () => {
  const anthropic = (): Anthropic => new Anthropic({ baseURL: server.url, apiKey: "local", maxRetries: 0 });
  const begun = {
    model,
    max_tokens: 24,
    temperature: 0,
    messages: [
      { role: "user" as const, content: "What is the capital of Japan?" },
      { role: "assistant" as const, content: "The capital of Japan is" },
    ],
  };

  test("are continued, and not begun anew", async () => {
    const answer = await anthropic().messages.create(begun);
    expect(answer.content).toMatchObject([{ type: "text", text: expect.stringMatching(/^ Tokyo/) }]);
  });

  test("may be in several messages, which are one as everywhere", async () => {
    const { max_tokens: _m, temperature: _t, ...counted } = begun;
    const count = async (...texts: string[]): Promise<number> => {
      const answers = texts.map((content) => ({ role: "assistant" as const, content }));
      const messages = [...counted.messages.slice(0, 1), ...answers];
      return (await anthropic().messages.countTokens({ ...counted, messages })).input_tokens;
    };
    expect(await count("The capital", "is")).toBe(await count("The capital\n\nis"));
  });

  test("count as part of the prompt", async () => {
    const { max_tokens: _m, temperature: _t, ...counted } = begun;
    const count = await anthropic().messages.countTokens(counted);
    const { usage } = await anthropic().messages.create(begun);
    expect(usage.input_tokens + (usage.cache_read_input_tokens ?? 0)).toBe(count.input_tokens);
  });

  test("come as events of their own forms", async () => {
    const response = await post(server, "/v1/messages", { ...begun, stream: true });
    const events = eventsOf(await response.text()).map((event) => expectShape(messageEvent, event).type);
    expect(new Set(events)).toEqual(
      new Set([
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
      ]),
    );
  });

  test("are refused where a tool must be called", async () => {
    const tools = [{ name: "weather", input_schema: { type: "object" as const } }];
    const answer = anthropic().messages.create({ ...begun, tools, tool_choice: { type: "any" } });
    await expect(answer).rejects.toMatchObject({ status: 400, message: expect.stringContaining("tool_choice") });
  });

  test("a failed tool is told as one", async () => {
    const count = async (is_error: boolean): Promise<number> => {
      const { input_tokens } = await anthropic().messages.countTokens({
        model,
        messages: [
          { role: "user", content: "Weather?" },
          { role: "assistant", content: [{ type: "tool_use", id: "a", name: "weather", input: {} }] },
          { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: "no network", is_error }] },
        ],
      });
      return input_tokens;
    };
    expect(await count(true)).toBeGreaterThan(await count(false));
  });
});
