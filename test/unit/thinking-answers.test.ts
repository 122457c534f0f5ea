import { describe, expect, test } from "vitest";

import {
  messageEvent,
  MessageStream,
  messageAnswer,
  toMessageAnswer,
} from "../../src/server/anthropic/message-answer.js";
import type { InferenceEvent } from "../../src/server/inference/events.js";
import { EventFilter } from "../../src/server/inference/filter-events.js";
import {
  generateAnswer,
  OllamaStream,
  chatAnswer,
  toChatAnswer,
  toGenerateAnswer,
} from "../../src/server/ollama/answers.js";
import { chatChunk, chatCompletion, ChatStream, toChatCompletion } from "../../src/server/openai/chat-answer.js";
import { response, toResponse } from "../../src/server/openai/response-answer.js";
import { responseEvent } from "../../src/server/openai/response-events.js";
import { responseBody } from "../../src/server/openai/response-request.js";
import { ResponseStream } from "../../src/server/openai/response-stream.js";
import { eventsOf, expectShape } from "../server/support.js";
import { choice, collected, encoded, ended, info, text } from "./inference-events.js";

const thought = (text: string): InferenceEvent => ({ type: "thinking", choice, text });
const end = ended("stop", 5);
const events = [thought("Let me "), thought("see."), text("It "), text("is."), end];

const encode = (stream: Parameters<typeof encoded>[0], list: readonly InferenceEvent[] = events): string =>
  encoded(stream, list);

const linesOf = (text: string): unknown[] =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);

describe("an answer behind a thought", () => {
  test("has it as reasoning_content in chat completions", () => {
    const whole = expectShape(chatCompletion, toChatCompletion([collected(events)], info));
    expect(whole.choices[0]!.message).toMatchObject({ content: "It is.", reasoning_content: "Let me see." });
    expect(whole.usage.completion_tokens_details.reasoning_tokens).toBe(5);
    const chunks = eventsOf(encode(new ChatStream(info, 1, true))).map((chunk) => expectShape(chatChunk, chunk));
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
    expect(deltas.map((delta) => delta.reasoning_content ?? "").join("")).toBe("Let me see.");
    expect(deltas.map((delta) => delta.content ?? "").join("")).toBe("It is.");
    const without = toChatCompletion([collected([text("Yes."), end])], info);
    expect(without.choices[0]!.message).not.toHaveProperty("reasoning_content");
  });

  test("has it as an item before the message in responses, streamed and whole", () => {
    const body = responseBody.parse({ input: "x", reasoning: { effort: "low" } });
    const whole = expectShape(response, toResponse(body, collected(events), info));
    expect(whole.output).toMatchObject([
      { type: "reasoning", content: [{ type: "reasoning_text", text: "Let me see." }], status: "completed" },
      { type: "message", content: [{ text: "It is." }] },
    ]);
    expect(whole).toMatchObject({
      reasoning: { effort: "low" },
      usage: { output_tokens_details: { reasoning_tokens: 5 } },
    });
    const told = eventsOf(encode(new ResponseStream(body, info))).map((event) => expectShape(responseEvent, event));
    expect(told.map(({ type }) => type.replace("response.", ""))).toEqual([
      "created",
      "in_progress",
      "output_item.added",
      "content_part.added",
      "reasoning_text.delta",
      "reasoning_text.delta",
      "reasoning_text.done",
      "content_part.done",
      "output_item.done",
      "output_item.added",
      "content_part.added",
      "output_text.delta",
      "output_text.delta",
      "output_text.done",
      "content_part.done",
      "output_item.done",
      "completed",
    ]);
    const done = told.flatMap((event) => (event.type === "response.output_item.done" ? [event.item] : []));
    expect(done).toEqual(whole.output);
  });

  test("is an incomplete item where the answer ends in it", () => {
    const body = responseBody.parse({ input: "x" });
    const cut = [thought("Let me"), ended("length")];
    const whole = toResponse(body, collected(cut), info);
    expect(whole).toMatchObject({ status: "incomplete", output: [{ type: "reasoning", status: "incomplete" }] });
    const told = eventsOf(encode(new ResponseStream(body, info), cut)).map((event) => responseEvent.parse(event));
    expect(told.at(-2)).toMatchObject({ type: "response.output_item.done", item: whole.output[0] });
  });

  test("has it as a block of its own in Anthropic's messages", () => {
    const content = [
      { type: "thinking", thinking: "Let me see.", signature: "llama-native" },
      { type: "text", text: "It is.", citations: null },
    ];
    expect(expectShape(messageAnswer, toMessageAnswer([collected(events)], info)).content).toEqual(content);
    const told = eventsOf(encode(new MessageStream(info))).map((event) => expectShape(messageEvent, event));
    expect(told.map(({ type }) => type)).toEqual([
      "message_start",
      "content_block_start",
      "content_block_delta",
      "content_block_delta",
      "content_block_delta",
      "content_block_stop",
      "content_block_start",
      "content_block_delta",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    expect(told[2]).toMatchObject({ index: 0, delta: { type: "thinking_delta", thinking: "Let me " } });
    expect(told[4]).toMatchObject({ index: 0, delta: { type: "signature_delta", signature: "llama-native" } });
    expect(told[6]).toMatchObject({ index: 1, content_block: { type: "text" } });
  });

  test("has it as thinking in Ollama's answers and lines", () => {
    const answers = [collected(events)];
    expect(expectShape(chatAnswer, toChatAnswer(answers, info, "load")).message).toMatchObject({
      content: "It is.",
      thinking: "Let me see.",
    });
    expect(expectShape(generateAnswer, toGenerateAnswer(answers, info, "load"))).toMatchObject({
      response: "It is.",
      thinking: "Let me see.",
    });
    const chat = linesOf(encode(new OllamaStream(info, "chat", "load")));
    expect(chat[0]).toMatchObject({ message: { content: "", thinking: "Let me " }, done: false });
    expect(chat[2]).toMatchObject({ message: { content: "It " } });
    const generated = linesOf(encode(new OllamaStream(info, "generate", "load")));
    expect(generated[1]).toMatchObject({ response: "", thinking: "see." });
    for (const line of generated) expectShape(generateAnswer, line);
  });
});

describe("a content filter", () => {
  const patient = (): ((piece: string, last: boolean) => string) => {
    let held = "";
    return (piece, last) => {
      held += piece;
      return last ? held : "";
    };
  };

  test("reads a thought as a text of its own", async () => {
    const passed = await new EventFilter(patient, () => undefined).apply(events);
    expect(passed).toEqual([thought("Let me see."), text("It is."), end]);
  });

  test("blocks a thought, and all that follows", async () => {
    const stopped: number[] = [];
    const strict = () => (piece: string) => (piece.includes("see") ? null : piece);
    const passed = await new EventFilter(strict, (one) => stopped.push(one)).apply(events);
    expect(passed).toEqual([thought("Let me "), { ...end, finish: "content_filter" }]);
    expect(stopped).toEqual([0]);
  });

  test("is told what it reads, and not asked about a text that is not there", async () => {
    const pieces: string[] = [];
    const noting = (part: string) => (piece: string, last: boolean) => {
      pieces.push(`${part}: ${piece}${last ? "." : ""}`);
      return piece;
    };
    const place = { choice, index: 0 };
    const call: InferenceEvent[] = [
      { type: "call", ...place, id: "1", name: "f" },
      { type: "arguments", ...place, text: "{}" },
      { type: "callEnd", ...place, isWhole: true },
    ];
    await new EventFilter(noting, () => undefined).apply([thought("a"), text("b"), ...call, end]);
    expect(pieces).toEqual(["thinking: a", "thinking: .", "text: b", "text: .", "arguments: {}."]);
  });
});
