import { describe, expect, test } from "vitest";

import { messageEvent, MessageStream, toMessageAnswer } from "../../src/server/anthropic/message-answer.js";
import type { InferenceEvent } from "../../src/server/inference/events.js";
import { OllamaStream } from "../../src/server/ollama/answers.js";
import { toChatCompletion } from "../../src/server/openai/chat-answer.js";
import { responseEvent } from "../../src/server/openai/response-events.js";
import type { ResponseEvent } from "../../src/server/openai/response-events.js";
import { toResponse } from "../../src/server/openai/response-answer.js";
import { responseBody } from "../../src/server/openai/response-request.js";
import { ResponseStream } from "../../src/server/openai/response-stream.js";
import { eventsOf } from "../server/support.js";
import { choice, collected, encoded, ended, info, text } from "./inference-events.js";

const call = (index: number): InferenceEvent[] => [
  { type: "call", choice, index, id: `call_${index}`, name: "weather" },
  { type: "arguments", choice, index, text: '{"city":' },
  { type: "arguments", choice, index, text: '"Rome"}' },
  { type: "callEnd", choice, index, isWhole: true },
];
const events = [text("Let me "), text("look."), ...call(0), ...call(1), text("So."), ended("tool_calls")];

const encode = (stream: Parameters<typeof encoded>[0]): string => encoded(stream, events);

describe("an answer of text, two calls and text", () => {
  test("has its items in this order in /v1/responses, each done before the next one begins, streamed and whole", () => {
    const body = responseBody.parse({ input: "x" });
    const told = eventsOf(encode(new ResponseStream(body, info))).map((event) => responseEvent.parse(event));
    const frame = told.filter((event) => /output_item\.(added|done)$/.test(event.type)) as Extract<
      ResponseEvent,
      { type: "response.output_item.added" | "response.output_item.done" }
    >[];
    expect(frame.map(({ type, output_index: index }) => [type.split(".")[2], index])).toEqual(
      [0, 1, 2, 3].flatMap((index) => [
        ["added", index],
        ["done", index],
      ]),
    );
    const whole = toResponse(body, collected(events), info);
    const done = frame.filter(({ type }) => type === "response.output_item.done").map(({ item }) => item);
    expect(done).toEqual(whole.output);
    expect(told.at(-1)).toMatchObject({ response: { output: whole.output } });
    expect(new Set(done.map(({ id }) => id)).size).toBe(4);
    const [first, , , last] = done;
    expect([first, last]).toMatchObject([{ content: [{ text: "Let me look." }] }, { content: [{ text: "So." }] }]);
    const deltas = told.filter((event) => event.type === "response.function_call_arguments.delta");
    expect(deltas.map(({ output_index: index, delta }) => [index, delta])).toEqual([
      [1, '{"city":'],
      [1, '"Rome"}'],
      [2, '{"city":'],
      [2, '"Rome"}'],
    ]);
  });

  test("has its blocks in this order in Anthropic's messages", () => {
    const told = eventsOf(encode(new MessageStream(info))).map((event) => messageEvent.parse(event));
    const blocks: { type: string; text: string }[] = [];
    let open: number | undefined;
    for (const event of told) {
      if (event.type === "content_block_start") {
        expect([open, event.index]).toEqual([undefined, blocks.length]);
        blocks.push({ type: event.content_block.type, text: "" });
        open = event.index;
      } else if (event.type === "content_block_delta") {
        expect(event.index).toBe(open);
        const { delta } = event;
        if (delta.type === "text_delta") blocks.at(-1)!.text += delta.text;
        else if (delta.type === "input_json_delta") blocks.at(-1)!.text += delta.partial_json;
      } else if (event.type === "content_block_stop") {
        expect(event.index).toBe(open);
        open = undefined;
      }
    }
    const rome = { type: "tool_use", text: '{"city":"Rome"}' };
    expect(blocks).toEqual([{ type: "text", text: "Let me look." }, rome, rome, { type: "text", text: "So." }]);
    const input = { city: "Rome" };
    expect(toMessageAnswer([collected(events)], info).content).toMatchObject([
      { type: "text", text: "Let me look." },
      { type: "tool_use", input },
      { type: "tool_use", input },
      { type: "text", text: "So." },
    ]);
  });

  test("is one text with its calls in a chat completion", () => {
    const [whole] = toChatCompletion([collected(events)], info).choices;
    expect(whole?.message).toMatchObject({
      content: "Let me look.So.",
      tool_calls: [{ id: "call_0" }, { id: "call_1", function: { arguments: '{"city":"Rome"}' } }],
    });
  });

  test("has whole calls alone in Ollama's lines", () => {
    const lines = encode(new OllamaStream(info, "chat", "load"))
      .trim()
      .split("\n");
    const messages = lines.map((line) => (JSON.parse(line) as { message: object }).message);
    const called = (index: number): object => ({
      content: "",
      tool_calls: [{ function: { index, name: "weather", arguments: { city: "Rome" } } }],
    });
    expect(messages).toMatchObject([
      { content: "Let me " },
      { content: "look." },
      called(0),
      called(1),
      { content: "So." },
      { content: "" },
    ]);
  });
});
