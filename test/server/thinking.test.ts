import Anthropic from "@anthropic-ai/sdk";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";
import { Ollama } from "ollama";
import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { LlamaServer } from "../../src/server/index.js";
import { createServer } from "../../src/server/index.js";
import { messageAnswer } from "../../src/server/anthropic/message-answer.js";
import { chatChunk, chatCompletion } from "../../src/server/openai/chat-answer.js";
import { response } from "../../src/server/openai/response-answer.js";
import { smollm2 } from "../support/models.js";
import { expectShape, openaiClient, post } from "./support.js";

/** Of models such as Qwen 3 and DeepSeek R1. */
const template = [
  "{% for message in messages %}<|im_start|>{{ message.role }}\n",
  "{% if message.reasoning_content %}<think>\n{{ message.reasoning_content }}\n</think>\n\n{% endif %}",
  "{{ message.content }}<|im_end|>\n{% endfor %}",
  "{% if add_generation_prompt %}<|im_start|>assistant\n",
  "{% if enable_thinking is not defined or enable_thinking %}<think>\n{% else %}<think>\n\n</think>\n\n{% endif %}{% endif %}",
].join("");

let server: LlamaServer;
let openai: OpenAI;
let anthropic: Anthropic;
let ollama: Ollama;

beforeAll(async () => {
  const source = await smollm2();
  const context = { contextSize: 2048, sequences: 2 };
  server = await createServer({
    port: 0,
    models: [
      { source, name: "plain", context },
      { source, name: "thinker", template, context },
    ],
  });
  await server.ready;
  openai = openaiClient(server);
  anthropic = new Anthropic({ baseURL: server.url, apiKey: "local", maxRetries: 0 });
  ollama = new Ollama({ host: server.url });
});
afterAll(() => server.close());

/** A small model does what it has seen: think, and answer. */
const seen = ["France", "Italy", "Spain"].map((country, index) => ({
  country,
  city: ["Paris", "Rome", "Madrid"][index]!,
}));
const question = (country: string): string => `What is the capital of ${country}?`;
const thought = (country: string, city: string): string => `They ask for the capital of ${country}. That is ${city}.`;
const asked = { role: "user" as const, content: question("Japan") };
const model = "thinker";
const openaiMessages = [
  ...seen.flatMap(({ country, city }) => [
    { role: "user" as const, content: question(country) },
    { role: "assistant" as const, content: `${city}.`, reasoning_content: thought(country, city) },
  ]),
  asked,
];
const greedy = { model, messages: openaiMessages, temperature: 0, max_tokens: 60 };

describe("a model that thinks before it answers", () => {
  test("tells what it thought apart in chat completions, streamed and whole", async () => {
    const answer = expectShape(chatCompletion, await openai.chat.completions.create(greedy));
    const { message } = answer.choices[0]!;
    expect(message.reasoning_content).toContain("capital of Japan");
    expect(message.content).toMatch(/^\w+\.$/);
    const { completion_tokens: all, completion_tokens_details: details } = answer.usage;
    expect(details.reasoning_tokens).toBeGreaterThan(10);
    expect(details.reasoning_tokens).toBeLessThan(all);
    let [thinking, text] = ["", ""];
    for await (const chunk of await openai.chat.completions.create({ ...greedy, stream: true })) {
      const { delta } = expectShape(chatChunk, chunk).choices[0]!;
      if (delta.reasoning_content !== undefined) expect(text).toBe("");
      thinking += delta.reasoning_content ?? "";
      text += delta.content ?? "";
    }
    expect({ thinking, text }).toEqual({ thinking: message.reasoning_content, text: message.content });
  });

  test("has log-probabilities of the answer's own tokens", async () => {
    const answer = expectShape(chatCompletion, await openai.chat.completions.create({ ...greedy, logprobs: true }));
    const { message, logprobs } = answer.choices[0]!;
    expect(logprobs!.content.map(({ token }) => token).join("")).toBe(message.content);
  });

  test("leaves it in the text where that is asked for, and answers at once where it shall not think", async () => {
    const inText = await openai.chat.completions.create({ ...greedy, ...{ reasoning_format: "none" } });
    expect(inText.choices[0]!.message.content).toMatch(/capital of Japan[\s\S]*<\/think>\n\n\w+\.$/);
    for (const off of [{ reasoning_effort: "none" as const }, { chat_template_kwargs: { enable_thinking: false } }]) {
      const answer = await openai.chat.completions.create({ ...greedy, ...off });
      expect(answer.choices[0]!.message).not.toHaveProperty("reasoning_content");
      expect(answer.usage!.completion_tokens_details!.reasoning_tokens).toBe(0);
    }
  });

  test("answers at once in a format, and is refused to think before it", async () => {
    const format = { response_format: { type: "json_object" as const } };
    const answer = await openai.chat.completions.create({ ...greedy, ...format });
    expect(answer.choices[0]!.message.content).toMatch(/^\{/);
    const refused = openai.chat.completions.create({ ...greedy, ...format, reasoning_effort: "low" });
    await expect(refused).rejects.toMatchObject({ status: 400, param: "reasoning_effort" });
  });

  test("has a reasoning item in responses, which may come back", async () => {
    const input = seen.flatMap(({ country, city }) => [
      { role: "user" as const, content: question(country) },
      {
        type: "reasoning" as const,
        id: `rs_${country}`,
        summary: [],
        content: [{ type: "reasoning_text" as const, text: thought(country, city) }],
      },
      { role: "assistant" as const, content: `${city}.` },
    ]);
    const whole = await openai.responses.create({
      model,
      input: [...input, asked],
      temperature: 0,
      max_output_tokens: 60,
    });
    const { output, usage } = expectShape(response, bodyOf(whole));
    expect(output.map(({ type }) => type)).toEqual(["reasoning", "message"]);
    expect(output[0]).toMatchObject({ content: [{ text: expect.stringContaining("capital of Japan") as string }] });
    expect(usage!.output_tokens_details.reasoning_tokens).toBeGreaterThan(10);
    expect(whole.output_text).toMatch(/^\w+\.$/);
    const stream = openai.responses.stream({ model, input: [...input, asked], temperature: 0, max_output_tokens: 60 });
    let deltas = "";
    stream.on("response.reasoning_text.delta", ({ delta }) => void (deltas += delta));
    const final = await stream.finalResponse();
    expect(final.output).toMatchObject([{ type: "reasoning", content: [{ text: deltas }] }, { type: "message" }]);
  });

  test("thinks on Anthropic's route where it is asked to", async () => {
    const messages = [
      ...seen.flatMap(({ country, city }) => [
        { role: "user" as const, content: question(country) },
        {
          role: "assistant" as const,
          content: [
            { type: "thinking" as const, thinking: thought(country, city), signature: "" },
            { type: "text" as const, text: `${city}.` },
          ],
        },
      ]),
      asked,
    ];
    const base = { model, messages, max_tokens: 60, temperature: 0 };
    const thinking = { type: "adaptive" as const };
    const answer = await anthropic.messages.create({ ...base, thinking });
    expectShape(messageAnswer, bodyOf(answer));
    expect(answer.content).toMatchObject([
      { type: "thinking", thinking: expect.stringContaining("capital of Japan") as string },
      { type: "text", text: expect.stringMatching(/^\w+\.$/) as string },
    ]);
    const streamed = await anthropic.messages.stream({ ...base, thinking }).finalMessage();
    expect(streamed.content).toMatchObject(answer.content.map(({ type }) => ({ type })));
    expect((await anthropic.messages.create(base)).content.map(({ type }) => type)).toEqual(["text"]);
    const budget = anthropic.messages.create({ ...base, thinking: { type: "enabled", budget_tokens: 1024 } });
    await expect(budget).rejects.toMatchObject({ status: 400 });
  });

  test("thinks for Ollama's clients, who can turn it off", async () => {
    const messages = [
      ...seen.flatMap(({ country, city }) => [
        { role: "user", content: question(country) },
        { role: "assistant", content: `${city}.`, thinking: thought(country, city) },
      ]),
      asked,
    ];
    const base = { model, messages, options: { temperature: 0, num_predict: 60 } };
    const { message } = await ollama.chat({ ...base, think: true });
    expect(message.thinking).toContain("capital of Japan");
    expect(message.content).toMatch(/^\w+\.$/);
    expect((await ollama.chat({ ...base, think: false })).message.thinking).toBeUndefined();
    const { capabilities } = await ollama.show({ model });
    expect(capabilities).toContain("thinking");
    expect((await ollama.show({ model: "plain" })).capabilities).not.toContain("thinking");
  });
});

test("the AI SDK has the thought apart from the text", async () => {
  const provider = createOpenAICompatible({ name: "local", baseURL: `${server.url}/v1` });
  const messages = [
    ...seen.flatMap(({ country, city }) => [
      { role: "user" as const, content: question(country) },
      {
        role: "assistant" as const,
        content: [
          { type: "reasoning" as const, text: thought(country, city) },
          { type: "text" as const, text: `${city}.` },
        ],
      },
    ]),
    asked,
  ];
  const { text, reasoningText, usage } = await generateText({
    model: provider("thinker"),
    messages,
    temperature: 0,
    maxOutputTokens: 60,
  });
  expect(text).toMatch(/^\w+\.$/);
  expect(reasoningText).toContain("capital of Japan");
  expect(usage.outputTokenDetails.reasoningTokens).toBeGreaterThan(10);
});

describe("a model that does not think", () => {
  const messages = [asked];

  test.each([
    ["/v1/chat/completions", { reasoning_effort: "low" }, "reasoning_effort"],
    ["/v1/responses", { input: "Hi", messages: undefined, reasoning: { effort: "low" } }, "reasoning.effort"],
    ["/v1/messages", { max_tokens: 4, thinking: { type: "adaptive" } }, "thinking"],
    ["/api/chat", { think: true }, "think"],
    ["/api/generate", { prompt: "Hi", messages: undefined, think: "high" }, "think"],
  ])("is refused to on %s", async (path, fields, field) => {
    const answer = await post(server, path, { model: "plain", messages, ...fields });
    expect(answer.status).toBe(400);
    const text = await answer.text();
    expect(text).toContain("plain does not think");
    if (path.startsWith("/v1/") && path !== "/v1/messages") expect(text).toContain(`"param":"${field}"`);
  });

  test.each([
    ["/v1/chat/completions", { reasoning_effort: "none", max_tokens: 2 }],
    ["/v1/messages", { max_tokens: 2, thinking: { type: "disabled" } }],
    ["/api/chat", { think: false, options: { num_predict: 2 } }],
  ])("may be told not to on %s", async (path, fields) => {
    expect((await post(server, path, { model: "plain", messages, ...fields })).status).toBe(200);
  });
});

/** As it was sent, without what the client library adds. */
function bodyOf(answer: object): unknown {
  const { output_text: _, ...own } = JSON.parse(JSON.stringify(answer)) as Record<string, unknown>;
  return own;
}
