// Ids of tools' calls, by which Ollama's clients tell which call a result is of.

import { expect, test } from "vitest";

import type { CalledTool } from "../../src/server/inference/events.js";
import { chatAnswer, OllamaStream, toChatAnswer } from "../../src/server/ollama/answers.js";
import { chatBody, toChatRequest } from "../../src/server/ollama/requests.js";
import { ended, info } from "./inference-events.js";

const called: CalledTool = { index: 0, id: "call_1", name: "f", arguments: '{"x":1}', isWhole: true };
const call = { id: "call_1", function: { index: 0, name: "f", arguments: { x: 1 } } };

test("a call that comes back keeps its id, and may have none", () => {
  const { id: _id, ...nameless } = call;
  const messages = [
    { role: "user", content: "?" },
    { role: "assistant", tool_calls: [call, nameless, { ...nameless, id: null }, { ...nameless, id: "" }] },
    { role: "tool", content: "A", tool_call_id: "call_1" },
    { role: "tool", content: "B", tool_name: "f" },
  ];
  const [prompt] = toChatRequest(chatBody.parse({ model: "m", messages })).prompts;
  const plain = { name: "f", arguments: { x: 1 } };
  expect(prompt).toHaveProperty("messages", [
    { role: "user", content: "?" },
    { role: "assistant", content: "", toolCalls: [{ id: "call_1", ...plain }, plain, plain, plain] },
    { role: "tool", content: "A", toolCallId: "call_1" },
    { role: "tool", content: "B", name: "f" },
  ]);
});

test("an answer's calls have ids, whole and in a stream", () => {
  const answer = {
    ...ended("tool_calls"),
    text: "",
    thinking: "",
    tools: [called],
    logprobs: undefined,
    content: [called],
  };
  const whole = toChatAnswer([answer], info, "load");
  expect(chatAnswer.parse(whole).message.tool_calls).toEqual([call]);

  const stream = new OllamaStream(info, "chat", "load");
  const place = { choice: 0, index: 0 };
  stream.event({ type: "call", ...place, id: called.id, name: called.name });
  stream.event({ type: "arguments", ...place, text: called.arguments });
  const line = stream.event({ type: "callEnd", ...place, isWhole: true });
  expect(chatAnswer.parse(JSON.parse(line)).message.tool_calls).toEqual([call]);
});
