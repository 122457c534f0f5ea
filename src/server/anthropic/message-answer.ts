import { z } from "zod";

import type { StreamEncoder } from "../dialect.js";
import { sse } from "../http/event-stream.js";
import type {
  Answer,
  AnswerContent,
  AnswerEnd,
  AnswerInfo,
  CalledTool,
  CallEvent,
  InferenceEvent,
} from "../inference/events.js";
import { callInput } from "../inference/events.js";

const usageSchema = z.strictObject({
  input_tokens: z.int(),
  cache_creation_input_tokens: z.int(),
  cache_read_input_tokens: z.int(),
  output_tokens: z.int(),
});
const stopReason = z.enum(["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]);

const toolUse = z.strictObject({
  type: z.literal("tool_use"),
  id: z.string(),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
});

/** Signs nothing; clients drop thoughts that have none, and send back what they get. */
const signature = "llama-native";

export const messageAnswer = z.strictObject({
  id: z.string().startsWith("msg_"),
  type: z.literal("message"),
  role: z.literal("assistant"),
  model: z.string(),
  content: z.array(
    z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("text"), text: z.string(), citations: z.null() }),
      z.strictObject({ type: z.literal("thinking"), thinking: z.string(), signature: z.literal(signature) }),
      toolUse,
    ]),
  ),
  stop_reason: stopReason.nullable(),
  stop_sequence: z.string().nullable(),
  usage: usageSchema,
});

const index = z.int().min(0);

/** All that a stream of messages consists of, but for what goes wrong in it. */
export const messageEvent = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("message_start"), message: messageAnswer }),
  z.strictObject({
    type: z.literal("content_block_start"),
    index,
    content_block: z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("text"), text: z.literal("") }),
      z.strictObject({ type: z.literal("thinking"), thinking: z.literal(""), signature: z.literal("") }),
      toolUse,
    ]),
  }),
  z.strictObject({
    type: z.literal("content_block_delta"),
    index,
    delta: z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("text_delta"), text: z.string() }),
      z.strictObject({ type: z.literal("thinking_delta"), thinking: z.string() }),
      z.strictObject({ type: z.literal("signature_delta"), signature: z.literal(signature) }),
      z.strictObject({ type: z.literal("input_json_delta"), partial_json: z.string() }),
    ]),
  }),
  z.strictObject({ type: z.literal("content_block_stop"), index }),
  z.strictObject({
    type: z.literal("message_delta"),
    delta: z.strictObject({ stop_reason: stopReason, stop_sequence: z.string().nullable() }),
    usage: usageSchema,
  }),
  z.strictObject({ type: z.literal("message_stop") }),
  z.strictObject({ type: z.literal("ping") }),
]);

type Message = z.output<typeof messageAnswer>;

/** What came from the cache is counted apart. */
function toUsage({ usage }: AnswerEnd): z.output<typeof usageSchema> {
  return {
    input_tokens: usage.promptTokens - usage.cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cachedTokens,
    output_tokens: usage.completionTokens,
  };
}

function toStopReason({ finish, stopString }: AnswerEnd): z.output<typeof stopReason> {
  if (finish === "length") return "max_tokens";
  if (finish === "tool_calls") return "tool_use";
  if (finish === "content_filter") return "refusal";
  return stopString === null ? "end_turn" : "stop_sequence";
}

function toBlock(part: AnswerContent): Message["content"][number] {
  if ("thinking" in part) return { type: "thinking", thinking: part.thinking, signature };
  return "text" in part ? { type: "text", text: part.text, citations: null } : toToolUse(part);
}

function toToolUse(call: CalledTool): Message["content"][number] {
  return { type: "tool_use", id: toolId(call.id), name: call.name, input: callInput(call) };
}

function toolId(id: string): string {
  return id.replace(/^call_/, "toolu_");
}

export function toMessageAnswer(answers: readonly Answer[], info: AnswerInfo): Message {
  const [answer] = answers;
  if (answer === undefined) throw new Error("A request ended without an answer");
  const content = answer.content.length === 0 ? [{ text: "" }] : answer.content;
  return {
    id: `msg_${info.id}`,
    type: "message",
    role: "assistant",
    model: info.model,
    content: content.map(toBlock),
    stop_reason: toStopReason(answer),
    stop_sequence: answer.stopString,
    usage: toUsage(answer),
  };
}

export class MessageStream implements StreamEncoder {
  readonly #info: AnswerInfo;
  #blocks = 0;
  /** What is in the block that is coming, where it is no call. */
  #open: "text" | "thinking" | undefined;
  #end: AnswerEnd | undefined;

  constructor(info: AnswerInfo) {
    this.#info = info;
  }

  start(): string {
    const usage = { ...noUsage, input_tokens: this.#info.promptTokens };
    const message: Message = {
      id: `msg_${this.#info.id}`,
      type: "message",
      role: "assistant",
      model: this.#info.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage,
    };
    return sse({ type: "message_start", message }, "message_start");
  }

  event(event: InferenceEvent): string {
    if (event.type === "end") {
      this.#end = event;
      return "";
    }
    if (event.type === "thinking") {
      return this.#openBlock("thinking") + this.#delta({ type: "thinking_delta", thinking: event.text });
    }
    if (event.type !== "text") return this.#call(event);
    if (event.text === "") return "";
    return this.#openBlock("text") + this.#delta({ type: "text_delta", text: event.text });
  }

  end(): string {
    const isEmpty = this.#blocks === 0 && this.#open === undefined;
    const empty = isEmpty ? this.#openBlock("text") : "";
    const closed = this.#closeBlock();
    const end = this.#end;
    if (end === undefined) return empty + closed;
    const delta = { stop_reason: toStopReason(end), stop_sequence: end.stopString };
    const last = sse({ type: "message_delta", delta, usage: toUsage(end) }, "message_delta");
    return empty + closed + last + sse({ type: "message_stop" }, "message_stop");
  }

  #openBlock(kind: "text" | "thinking"): string {
    if (this.#open === kind) return "";
    const closed = this.#closeBlock();
    this.#open = kind;
    const block = kind === "text" ? { type: kind, text: "" } : { type: kind, thinking: "", signature: "" };
    return closed + this.#start(block);
  }

  #closeBlock(): string {
    const kind = this.#open;
    if (kind === undefined) return "";
    this.#open = undefined;
    return (kind === "thinking" ? this.#delta({ type: "signature_delta", signature }) : "") + this.#stop();
  }

  #call(event: CallEvent): string {
    switch (event.type) {
      case "call": {
        const block = { type: "tool_use", id: toolId(event.id), name: event.name, input: {} };
        return this.#closeBlock() + this.#start(block);
      }
      case "arguments":
        return this.#delta({ type: "input_json_delta", partial_json: event.text });
      case "callEnd":
        return this.#stop();
    }
  }

  #start(block: object): string {
    return sse({ type: "content_block_start", index: this.#blocks, content_block: block }, "content_block_start");
  }

  #delta(delta: object): string {
    return sse({ type: "content_block_delta", index: this.#blocks, delta }, "content_block_delta");
  }

  #stop(): string {
    return sse({ type: "content_block_stop", index: this.#blocks++ }, "content_block_stop");
  }
}

const noUsage = { input_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 };
