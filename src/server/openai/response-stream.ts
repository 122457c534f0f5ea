import type { z } from "zod";

import type { StreamEncoder } from "../dialect.js";
import { sse } from "../http/event-stream.js";
import type { AnswerInfo, CallEvent, InferenceEvent, PlacedLogprob } from "../inference/events.js";
import { AnswerCollector, CallCollector } from "../inference/events.js";
import { toTokenLogprob } from "./answer-parts.js";
import { lastOf } from "./chat-answer.js";
import type { status } from "./response-answer.js";
import {
  callItemId,
  emptyResponse,
  messageItemId,
  reasoningItemId,
  toCallItem,
  toMessageItem,
  toReasoningItem,
  toResponse,
} from "./response-answer.js";
import type { UnnumberedEvent } from "./response-events.js";
import type { ResponseBody } from "./response-request.js";

interface OpenMessage {
  readonly place: { item_id: string; output_index: number; content_index: number };
  text: string;
  logprobs: PlacedLogprob[] | undefined;
}

interface OpenThought {
  readonly place: OpenMessage["place"];
  text: string;
}

/** Numbers its events through, the one that tells of an error included. */
export class ResponseStream implements StreamEncoder {
  readonly #body: ResponseBody;
  readonly #info: AnswerInfo;
  readonly #collector = new AnswerCollector();
  #sequence = 0;
  /** The message that is coming. */
  #message: OpenMessage | undefined;
  /** The thought that is coming; none is beside a message. */
  #thought: OpenThought | undefined;
  #messages = 0;
  #items = 0;
  readonly #calls = new CallCollector();
  /** Of the call that is coming. */
  #callPlace = { item_id: "", output_index: 0 };

  constructor(body: ResponseBody, info: AnswerInfo) {
    this.#body = body;
    this.#info = info;
  }

  start(): string {
    const empty = emptyResponse(this.#body, this.#info);
    return (
      this.#send({ type: "response.created", response: empty }) +
      this.#send({ type: "response.in_progress", response: empty })
    );
  }

  event(event: InferenceEvent): string {
    this.#collector.add(event);
    switch (event.type) {
      case "text":
        return this.#closeThought("completed") + this.#text(event.text, event.logprobs);
      case "thinking":
        return this.#think(event.text);
      case "end":
        return "";
      default:
        return this.#closeThought("completed") + this.#call(event);
    }
  }

  end(): string {
    const whole = toResponse(this.#body, lastOf(this.#collector.answers), this.#info);
    const begun = this.#items === 0 ? this.#text("", undefined) : "";
    const closed = this.#closeThought(whole.status) + this.#close(whole.status);
    const type = whole.status === "completed" ? "response.completed" : "response.incomplete";
    return begun + closed + this.#send({ type, response: whole });
  }

  #think(text: string): string {
    const opened = this.#thought === undefined ? this.#openThought() : "";
    const thought = this.#thought;
    if (thought === undefined) return opened;
    thought.text += text;
    return opened + this.#send({ type: "response.reasoning_text.delta", ...thought.place, delta: text });
  }

  #openThought(): string {
    const id = reasoningItemId(this.#info.id);
    const place = { item_id: id, output_index: this.#items++, content_index: 0 };
    this.#thought = { place, text: "" };
    const item = { ...toReasoningItem(id, { thinking: "" }, "in_progress"), content: [] };
    const part = { type: "reasoning_text" as const, text: "" };
    return (
      this.#send({ type: "response.output_item.added", output_index: place.output_index, item }) +
      this.#send({ type: "response.content_part.added", ...place, part })
    );
  }

  #closeThought(state: z.output<typeof status>): string {
    if (this.#thought === undefined) return "";
    const { place, text } = this.#thought;
    this.#thought = undefined;
    const part = { type: "reasoning_text" as const, text };
    const item = toReasoningItem(place.item_id, { thinking: text }, state);
    return (
      this.#send({ type: "response.reasoning_text.done", ...place, text }) +
      this.#send({ type: "response.content_part.done", ...place, part }) +
      this.#send({ type: "response.output_item.done", output_index: place.output_index, item })
    );
  }

  #text(text: string, logprobs: readonly PlacedLogprob[] | undefined): string {
    const opened = this.#message === undefined ? this.#open() : "";
    const message = this.#message;
    if (message === undefined) return opened;
    message.text += text;
    if (logprobs !== undefined) (message.logprobs ??= []).push(...logprobs);
    if (text === "" && logprobs === undefined) return opened;
    const delta = { ...message.place, delta: text, logprobs: (logprobs ?? []).map(toTokenLogprob) };
    return opened + this.#send({ type: "response.output_text.delta", ...delta });
  }

  #open(): string {
    const id = messageItemId(this.#info.id, this.#messages++);
    const place = { item_id: id, output_index: this.#items++, content_index: 0 };
    this.#message = { place, text: "", logprobs: undefined };
    const item = {
      type: "message" as const,
      id,
      status: "in_progress" as const,
      role: "assistant" as const,
      content: [],
    };
    const part = { type: "output_text" as const, text: "", annotations: [], logprobs: [] };
    return (
      this.#send({ type: "response.output_item.added", output_index: place.output_index, item }) +
      this.#send({ type: "response.content_part.added", ...place, part })
    );
  }

  #close(state: z.output<typeof status>): string {
    if (this.#message === undefined) return "";
    const { place, ...said } = this.#message;
    this.#message = undefined;
    const item = toMessageItem(place.item_id, said, state);
    const [part] = item.content;
    const { text, logprobs } = part;
    return (
      this.#send({ type: "response.output_text.done", ...place, text, logprobs }) +
      this.#send({ type: "response.content_part.done", ...place, part }) +
      this.#send({ type: "response.output_item.done", output_index: place.output_index, item })
    );
  }

  #call(event: CallEvent): string {
    const whole = this.#calls.add(event);
    if (event.type === "call") {
      const closed = this.#close("completed");
      this.#callPlace = { item_id: callItemId(event), output_index: this.#items++ };
      const item = { ...toCallItem({ ...event, arguments: "", isWhole: false }), status: "in_progress" as const };
      const { output_index } = this.#callPlace;
      return closed + this.#send({ type: "response.output_item.added", output_index, item });
    }
    const place = this.#callPlace;
    if (event.type === "arguments") {
      return this.#send({ type: "response.function_call_arguments.delta", ...place, delta: event.text });
    }
    if (whole === undefined) throw new Error("A call ended that never began");
    const { arguments: args, name } = whole;
    const { output_index } = place;
    return (
      this.#send({ type: "response.function_call_arguments.done", ...place, name, arguments: args }) +
      this.#send({ type: "response.output_item.done", output_index, item: toCallItem(whole) })
    );
  }

  /** An error in mid-stream, in OpenAI's shape. */
  error(problem: { code: string | null; message: string; param: string | null }): string {
    return this.#send({ type: "error", ...problem });
  }

  #send({ type, ...data }: UnnumberedEvent): string {
    return sse({ type, sequence_number: this.#sequence++, ...data }, type);
  }
}
