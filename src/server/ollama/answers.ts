import { z } from "zod";

import type { AnswerStream, StreamEncoder } from "../dialect.js";
import type { Answer, AnswerEnd, AnswerInfo, CalledTool, InferenceEvent } from "../inference/events.js";
import { CallCollector, callInput } from "../inference/events.js";

const common = {
  model: z.string(),
  created_at: z.string(),
  done: z.boolean(),
  done_reason: z.enum(["stop", "length", "load", "unload", "content_filter"]).optional(),
  total_duration: z.int().optional(),
  load_duration: z.int().optional(),
  prompt_eval_count: z.int().optional(),
  prompt_eval_duration: z.int().optional(),
  eval_count: z.int().optional(),
  eval_duration: z.int().optional(),
};
const toolCall = z.strictObject({
  id: z.string(),
  function: z.strictObject({ index: z.int(), name: z.string(), arguments: z.record(z.string(), z.unknown()) }),
});

export const chatAnswer = z.strictObject({
  ...common,
  message: z.strictObject({
    role: z.literal("assistant"),
    content: z.string(),
    thinking: z.string().optional(),
    tool_calls: z.array(toolCall).optional(),
  }),
});
export const generateAnswer = z.strictObject({ ...common, response: z.string(), thinking: z.string().optional() });

type Common = Pick<z.output<typeof chatAnswer>, keyof typeof common>;

export const ndjson: Omit<AnswerStream, "encoder"> = {
  contentType: "application/x-ndjson",
  keepAlive: undefined,
  error: line,
};

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function toHead({ model, createdMs }: AnswerInfo): Pick<Common, "model" | "created_at"> {
  return { model, created_at: new Date(createdMs).toISOString() };
}

/** What a request without a prompt is for. */
export type WithoutPrompt = "load" | "unload";

/** Durations in nanoseconds. */
function toEnd(
  end: AnswerEnd | undefined,
  info: AnswerInfo,
  withoutPrompt: WithoutPrompt,
): Omit<Common, "model" | "created_at"> {
  if (end === undefined) return { done: true, done_reason: withoutPrompt };
  const { finish, usage, timings } = end;
  return {
    done: true,
    done_reason: finish === "tool_calls" ? "stop" : finish,
    total_duration: nanoseconds(timings.totalMs + info.loadMs),
    load_duration: nanoseconds(info.loadMs),
    prompt_eval_count: usage.promptTokens,
    prompt_eval_duration: nanoseconds(timings.promptMs),
    eval_count: usage.completionTokens,
    eval_duration: nanoseconds(timings.generationMs),
  };
}

export function nanoseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1e6);
}

function toCall(call: CalledTool): z.output<typeof toolCall> {
  return { id: call.id, function: { index: call.index, name: call.name, arguments: callInput(call) } };
}

function toThinking(answer: Answer | undefined): { thinking?: string } {
  return answer === undefined || answer.thinking === "" ? {} : { thinking: answer.thinking };
}

/** Without an answer the model was only loaded, or is unloaded. */
export function toChatAnswer(
  [answer]: readonly Answer[],
  info: AnswerInfo,
  withoutPrompt: WithoutPrompt,
): z.output<typeof chatAnswer> {
  const calls = answer?.tools.map(toCall) ?? [];
  return {
    ...toHead(info),
    message: {
      role: "assistant",
      content: answer?.text ?? "",
      ...toThinking(answer),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
    },
    ...toEnd(answer, info, withoutPrompt),
  };
}

export function toGenerateAnswer(
  [answer]: readonly Answer[],
  info: AnswerInfo,
  withoutPrompt: WithoutPrompt,
): z.output<typeof generateAnswer> {
  return {
    ...toHead(info),
    response: answer?.text ?? "",
    ...toThinking(answer),
    ...toEnd(answer, info, withoutPrompt),
  };
}

export class OllamaStream implements StreamEncoder {
  readonly #info: AnswerInfo;
  readonly #kind: "chat" | "generate";
  readonly #withoutPrompt: WithoutPrompt;
  readonly #calls = new CallCollector();
  #end: AnswerEnd | undefined;

  constructor(info: AnswerInfo, kind: "chat" | "generate", withoutPrompt: WithoutPrompt) {
    this.#info = info;
    this.#kind = kind;
    this.#withoutPrompt = withoutPrompt;
  }

  start(): string {
    return "";
  }

  event(event: InferenceEvent): string {
    if (event.type === "end") {
      this.#end = event;
      return "";
    }
    const head = { ...toHead(this.#info), done: false };
    if (event.type === "text") return event.text === "" ? "" : line({ ...head, ...this.#said(event.text) });
    if (event.type === "thinking") return line({ ...head, ...this.#said("", { thinking: event.text }) });
    // Arguments are an object here, which there is of a whole call only.
    const call = this.#calls.add(event);
    if (call === undefined) return "";
    return line({ ...head, message: { role: "assistant", content: "", tool_calls: [toCall(call)] } });
  }

  end(): string {
    return line({ ...toHead(this.#info), ...this.#said(""), ...toEnd(this.#end, this.#info, this.#withoutPrompt) });
  }

  #said(text: string, thought: { thinking?: string } = {}): object {
    if (this.#kind === "generate") return { response: text, ...thought };
    return { message: { role: "assistant", content: text, ...thought } };
  }
}
