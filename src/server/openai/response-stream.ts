import type { z } from "zod";

import type { StreamEncoder } from "../dialect.js";
import { sse } from "../http/event-stream.js";
import type { AnswerInfo, CalledTool, InferenceEvent, TokenLogprob } from "../inference/events.js";
import { AnswerCollector } from "../inference/events.js";
import { toTokenLogprob } from "./answer-parts.js";
import { lastOf } from "./chat-answer.js";
import type { status } from "./response-answer.js";
import { emptyResponse, toCallItem, toMessageItem, toResponse } from "./response-answer.js";
import type { UnnumberedEvent } from "./response-events.js";
import type { ResponseBody } from "./response-request.js";

/** Numbers its events through, the one that tells of an error included. */
export class ResponseStream implements StreamEncoder {
  readonly #body: ResponseBody;
  readonly #info: AnswerInfo;
  readonly #collector = new AnswerCollector();
  #sequence = 0;
  /** Of the message, once it has begun. */
  #message: { text: string; logprobs: TokenLogprob[]; index: number } | undefined;
  #items = 0;

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
        return this.#text(event.text, event.logprobs);
      case "tool":
        return this.#tool(event);
      case "end":
        return "";
    }
  }

  end(): string {
    const whole = toResponse(this.#body, lastOf(this.#collector.answers), this.#info);
    const begun = this.#message !== undefined || whole.output[0]?.type !== "message" ? "" : this.#text("", undefined);
    const closed = this.#close(whole.status);
    const type = whole.status === "completed" ? "response.completed" : "response.incomplete";
    return begun + closed + this.#send({ type, response: whole });
  }

  #text(text: string, logprobs: readonly TokenLogprob[] | undefined): string {
    let opened = "";
    if (this.#message === undefined) {
      this.#message = { text: "", logprobs: [], index: this.#items++ };
      const item = {
        type: "message" as const,
        id: this.#itemId,
        status: "in_progress" as const,
        role: "assistant" as const,
        content: [],
      };
      const part = { type: "output_text" as const, text: "", annotations: [], logprobs: [] };
      opened =
        this.#send({ type: "response.output_item.added", output_index: this.#message.index, item }) +
        this.#send({ type: "response.content_part.added", ...this.#place(), part });
    }
    this.#message.text += text;
    if (logprobs !== undefined) this.#message.logprobs.push(...logprobs);
    if (text === "" && logprobs === undefined) return opened;
    const delta = { ...this.#place(), delta: text, logprobs: (logprobs ?? []).map(toTokenLogprob) };
    return opened + this.#send({ type: "response.output_text.delta", ...delta });
  }

  #close(state: z.output<typeof status>): string {
    if (this.#message === undefined) return "";
    const { text, logprobs, index } = this.#message;
    const item = toMessageItem(this.#info.id, text, logprobs, state);
    const place = this.#place();
    const [part] = item.content;
    const ends = { ...place, text, logprobs: logprobs.map(toTokenLogprob) };
    return (
      this.#send({ type: "response.output_text.done", ...ends }) +
      this.#send({ type: "response.content_part.done", ...place, part }) +
      this.#send({ type: "response.output_item.done", output_index: index, item })
    );
  }

  /** A call is known as a whole only. */
  #tool(call: CalledTool): string {
    const item = toCallItem(call);
    const place = { item_id: item.id, output_index: this.#items++ };
    const { arguments: args, name } = call;
    return (
      this.#send({
        type: "response.output_item.added",
        output_index: place.output_index,
        item: { ...item, status: "in_progress", arguments: "" },
      }) +
      this.#send({ type: "response.function_call_arguments.delta", ...place, delta: args }) +
      this.#send({ type: "response.function_call_arguments.done", ...place, name, arguments: args }) +
      this.#send({ type: "response.output_item.done", output_index: place.output_index, item })
    );
  }

  get #itemId(): string {
    return `msg_${this.#info.id}`;
  }

  #place(): { item_id: string; output_index: number; content_index: number } {
    return { item_id: this.#itemId, output_index: this.#message?.index ?? 0, content_index: 0 };
  }

  /** An error in mid-stream, in OpenAI's shape. */
  error(problem: { code: string | null; message: string; param: string | null }): string {
    return this.#send({ type: "error", ...problem });
  }

  #send({ type, ...data }: UnnumberedEvent): string {
    return sse({ type, sequence_number: this.#sequence++, ...data }, type);
  }
}
