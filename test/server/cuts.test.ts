// Answers that are cut: by a stop string, with log-probabilities of what is left, and by max_tokens within a call.

import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { LlamaServer } from "../../src/server/index.js";
import { messageAnswer } from "../../src/server/anthropic/message-answer.js";
import { chatChunk, chatCompletion } from "../../src/server/openai/chat-answer.js";
import { completion, completionChunk } from "../../src/server/openai/completions.js";
import { response } from "../../src/server/openai/response-answer.js";
import { responseEvent } from "../../src/server/openai/response-events.js";
import { eventsOf, expectShape, france, post, startServer } from "./support.js";

let server: LlamaServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

async function ask(path: string, body: object): Promise<unknown> {
  const answer = await post(server, path, body);
  expect(answer.status).toBe(200);
  return answer.json();
}

async function stream(path: string, body: object): Promise<unknown[]> {
  return eventsOf(await (await post(server, path, { ...body, stream: true })).text());
}

interface Logged {
  readonly text: string;
  readonly tokens: readonly string[];
  readonly offsets?: readonly number[];
}

/** What comes together is joined, as clients do it. */
function joined(parts: readonly Logged[]): Logged {
  return {
    text: parts.map(({ text }) => text).join(""),
    tokens: parts.flatMap(({ tokens }) => tokens),
    offsets: parts.flatMap(({ offsets = [] }) => offsets),
  };
}

const namesOf = (content: readonly { token: string }[] | undefined): string[] =>
  (content ?? []).map(({ token }) => token);

const routes: Record<string, (stop: string[], streams: boolean) => Promise<Logged>> = {
  async "chat/completions"(stop, streams) {
    const body = { messages: france, temperature: 0, logprobs: true, stop };
    if (!streams) {
      const [choice] = expectShape(chatCompletion, await ask("/v1/chat/completions", body)).choices;
      return { text: choice!.message.content!, tokens: namesOf(choice!.logprobs!.content) };
    }
    const chunks = (await stream("/v1/chat/completions", body)).map((chunk) => expectShape(chatChunk, chunk));
    return joined(
      chunks.map(({ choices: [choice] }) => ({
        text: choice!.delta.content ?? "",
        tokens: namesOf(choice!.logprobs?.content),
      })),
    );
  },
  async completions(stop, streams) {
    const body = { prompt: "The capital of Japan is Tokyo. The capital of", temperature: 0, logprobs: 1, stop };
    const toLogged = ({ text, logprobs }: ReturnType<typeof completionChunk.parse>["choices"][number]): Logged => ({
      text,
      tokens: logprobs?.tokens ?? [],
      offsets: logprobs?.text_offset ?? [],
    });
    if (!streams) {
      const [choice] = expectShape(completion, await ask("/v1/completions", body)).choices;
      return toLogged(choice!);
    }
    const chunks = (await stream("/v1/completions", body)).map((chunk) => expectShape(completionChunk, chunk));
    return joined(chunks.flatMap(({ choices }) => choices.map(toLogged)));
  },
};

describe.each(Object.entries(routes))("%s: log-probabilities are of the text's tokens and no others", (_, logged) => {
  test.each([true, false])("where a stop string begins with a token, streamed: %s", async (streams) => {
    const { text, tokens, offsets } = await logged([" is Tok", " is Par", " is Mos", " is"], streams);
    expect(text).not.toBe("");
    expect(text).not.toContain(" is");
    expect(tokens.join("")).toBe(text);
    if (offsets !== undefined && offsets.length > 0) expect(offsets).toEqual(tokens.map((_, i) => startOf(tokens, i)));
  });

  test.each([true, false])("where it begins within one, which is there as a whole, streamed: %s", async (streams) => {
    const { text, tokens } = await logged(["s"], streams);
    expect(text).not.toContain("s");
    expect(tokens.slice(0, -1).join("").length).toBeLessThan(text.length);
    expect(tokens.join("").startsWith(`${text}s`)).toBe(true);
  });

  test.each([true, false])("where nothing is left, there are none, streamed: %s", async (streams) => {
    const everything = ["a", "e", "i", "o", "u", "T", " ", "\n"];
    expect(await logged(everything, streams)).toMatchObject({ text: "", tokens: [] });
  });
});

function startOf(tokens: readonly string[], index: number): number {
  return tokens.slice(0, index).join("").length;
}

test("Text Generation Inference's tokens are those of its text", async () => {
  const body = {
    inputs: "The capital of Japan is Tokyo. The capital of",
    parameters: { details: true, stop: [" is"] },
  };
  const { generated_text: text, details } = (await ask("/generate", body)) as {
    generated_text: string;
    details: { tokens: { text: string }[]; generated_tokens: number };
  };
  expect(details.tokens.map((token) => token.text).join("")).toBe(text);
  expect(details.generated_tokens).toBe(details.tokens.length + 1);
  const chunks = (await stream("/generate_stream", body)) as { token: { text: string } }[];
  expect(chunks.map(({ token }) => token.text).join("")).toBe(text);
});

const parameters = {
  type: "object",
  properties: { city: { enum: ["Tokyo, the capital of Japan"] }, days: { type: "integer", maximum: 9 } },
  required: ["city", "days"],
};
const description = "The weather of a city";
const tools = [{ type: "function", function: { name: "weather", description, parameters } }];
const forced = { messages: france, temperature: 0, tools, tool_choice: "required", parallel_tool_calls: false };
const [inName, inArguments, behindTheEnd] = [2, 24, 70];
const compact = (json: string): string => json.replaceAll(/\s/g, "");

interface Call {
  readonly name: string;
  readonly arguments: string;
}

/** Each call has what there was room for, and that grows. */
function expectGrowing(calls: readonly (Call | undefined)[]): void {
  const whole = compact(calls.at(-1)!.arguments);
  expect(JSON.parse(whole)).toEqual({ city: expect.stringMatching(/^Tokyo/), days: expect.any(Number) });
  expect(calls[0]).toBeUndefined();
  const found = calls.filter((call) => call !== undefined);
  for (const call of found) expect([call.name, whole.startsWith(compact(call.arguments))]).toEqual(["weather", true]);
  expect(new Set(found.map((call) => call.arguments)).size).toBeGreaterThan(2);
}

describe("a forced call that max_tokens cuts is a call with the beginning of its arguments", () => {
  test("in chat/completions", async () => {
    const calls: (Call | undefined)[] = [];
    for (const max_tokens of [inName, inArguments - 4, inArguments, behindTheEnd]) {
      const body = { ...forced, max_tokens };
      const [choice] = expectShape(chatCompletion, await ask("/v1/chat/completions", body)).choices;
      const call = choice!.message.tool_calls?.[0]?.function;
      expect(choice!.finish_reason).toBe(max_tokens === behindTheEnd ? "tool_calls" : "length");
      expect(choice!.message.content).toBe(call === undefined ? "" : null);
      calls.push(call);
      const chunks = (await stream("/v1/chat/completions", body)).map((chunk) => expectShape(chatChunk, chunk));
      const deltas = chunks.flatMap(({ choices }) => choices);
      const pieces = deltas.flatMap(({ delta }) => delta.tool_calls ?? []).map((piece) => piece.function);
      const json = pieces.map((piece) => piece.arguments).join("");
      expect(pieces[0] && { ...pieces[0], arguments: json }).toEqual(call);
      expect(deltas.map(({ delta }) => delta.content ?? "").join("")).toBe("");
      expect(deltas.at(-1)!.finish_reason).toBe(choice!.finish_reason);
    }
    expectGrowing(calls);
  });

  test("in responses", async () => {
    const responseTools = [{ type: "function", name: "weather", description, parameters }];
    const body = { ...forced, messages: undefined, input: france, tools: responseTools };
    const none = expectShape(response, await ask("/v1/responses", { ...body, max_output_tokens: inName }));
    expect(none).toMatchObject({ status: "incomplete", output: [{ type: "message", content: [{ text: "" }] }] });
    const cut = { ...body, max_output_tokens: inArguments };
    const { status, output } = expectShape(response, await ask("/v1/responses", cut));
    const json = expect.stringMatching(/^\{\s*"city":\s*"[^"]*$/) as string;
    const call = { type: "function_call", name: "weather", arguments: json, status: "incomplete" };
    expect([status, output]).toMatchObject(["incomplete", [call]]);
    const events = (await stream("/v1/responses", cut)).map((event) => expectShape(responseEvent, event));
    const done = events.filter((event) => event.type === "response.output_item.done");
    expect(done.map(({ item }) => item)).toMatchObject([{ ...call, arguments: (output[0] as Call).arguments }]);
    expect(events.at(-1)).toMatchObject({ type: "response.incomplete", response: { output: [call] } });
  });

  test("in Anthropic's messages, whose input has the members that are whole", async () => {
    const client = new Anthropic({ baseURL: server.url, apiKey: "local", maxRetries: 0 });
    const body = {
      model: "smollm2",
      system: france[0]!.content,
      messages: [{ role: "user" as const, content: france[1]!.content }],
      temperature: 0,
      tools: [{ name: "weather", description, input_schema: { ...parameters, type: "object" as const } }],
      tool_choice: { type: "tool" as const, name: "weather", disable_parallel_tool_use: true },
    };
    const none = expectShape(messageAnswer, await ask("/v1/messages", { ...body, max_tokens: inName }));
    expect(none).toMatchObject({ stop_reason: "max_tokens", content: [{ type: "text", text: "" }] });
    const cut = { ...body, max_tokens: inArguments };
    const called = { stop_reason: "max_tokens", content: [{ type: "tool_use", name: "weather", input: {} }] };
    expect(expectShape(messageAnswer, await ask("/v1/messages", cut))).toMatchObject(called);
    let json = "";
    const streamed = client.messages.stream(cut).on("inputJson", (partial) => (json += partial));
    expect(await streamed.finalMessage()).toMatchObject(called);
    expect(json).toMatch(/^\{\s*"city":\s*"[^"]*$/);
  });
});
