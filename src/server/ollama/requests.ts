import { z } from "zod";

import { Problem } from "../http/problem.js";
import { jsonObject, maybe, refused, someTools } from "../http/schema.js";
import type {
  AnswerFormat,
  ChatMessage,
  InferenceRequest,
  Prompt,
  ThinkingWish,
  ToolCall,
} from "../inference/request.js";
import { plainRequest } from "../inference/request.js";

const count = z.int().min(0).max(0x7fffffff);
const share = z.number().min(0).max(1);
export const fixedTemplate = "the template is the model's own";
const ofTheServer = "this is set when the server is started";

export const requestOptions = z.strictObject({
  num_predict: maybe(z.int().min(-2).max(0x7fffffff)),
  temperature: maybe(z.number().min(0)),
  top_k: maybe(count),
  top_p: maybe(share),
  min_p: maybe(share),
  typical_p: maybe(share),
  seed: maybe(z.int()),
  stop: maybe(z.union([z.string().min(1), z.array(z.string().min(1))])),
  repeat_penalty: maybe(z.number().min(0.01).max(100)),
  repeat_last_n: maybe(z.int().min(-1).max(0x7fffffff)),
  presence_penalty: maybe(z.number().min(-2).max(2)),
  frequency_penalty: maybe(z.number().min(-2).max(2)),
  num_keep: maybe(count),
  mirostat: maybe(z.literal([0, 1, 2])),
  mirostat_tau: maybe(z.number().min(0)),
  mirostat_eta: maybe(z.number().min(0)),
  num_ctx: refused(ofTheServer),
  num_batch: refused(ofTheServer),
  num_gpu: refused(ofTheServer),
  main_gpu: refused(ofTheServer),
  num_thread: refused(ofTheServer),
  use_mmap: refused(ofTheServer),
  numa: refused(ofTheServer),
});

const format = z.union([z.literal(["json", ""]), jsonObject]);
/** A sum of Go's units, or whole seconds. Digits can be read in one way only: of several, a long text would try them all. */
const duration = /^[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$|^[+-]?\d+$/;
const longestDuration = 64;
const aDuration = 'Expected a duration in h, m, s, ms, us or ns, such as "1h30m", or whole seconds';
export const keepAlive = z.union([
  z.number(),
  z.string().max(longestDuration, `${aDuration}, of at most ${longestDuration} characters`).regex(duration, aDuration),
]);

const common = {
  model: z.string(),
  stream: maybe(z.boolean()),
  format: maybe(format),
  options: maybe(requestOptions),
  keep_alive: maybe(keepAlive),
  think: maybe(z.union([z.boolean(), z.enum(["low", "medium", "high"])])),
  logprobs: refused("log-probabilities; OpenAI's routes have them", false),
  top_logprobs: refused("log-probabilities; OpenAI's routes have them", 0),
  _debug_render_only: refused("prompts without an answer; /apply-template has them", false),
};

const toolCall = z.looseObject({
  id: maybe(z.string()),
  function: z.looseObject({ name: z.string().min(1), arguments: jsonObject }),
});

export const chatBody = z.strictObject({
  ...common,
  messages: z.array(
    z.strictObject({
      role: z.enum(["system", "user", "assistant", "tool"]),
      content: maybe(z.string()),
      images: refused("images, as the models served here read text"),
      thinking: maybe(z.string()),
      tool_calls: maybe(z.array(toolCall)),
      tool_name: maybe(z.string().min(1)),
      tool_call_id: maybe(z.string().min(1)),
    }),
  ),
  tools: someTools(
    z.looseObject({
      type: z.literal("function"),
      function: z.looseObject({
        name: z.string().min(1),
        description: maybe(z.string()),
        parameters: maybe(jsonObject),
      }),
    }),
  ),
});

export const generateBody = z.strictObject({
  ...common,
  prompt: maybe(z.string()),
  suffix: maybe(z.string()),
  system: maybe(z.string()),
  raw: maybe(z.boolean()),
  images: refused("images, as the models served here read text"),
  template: refused(fixedTemplate, ""), // Ollama's own client sends empty texts for what it leaves open
  context: refused("contexts as token lists; send the conversation to /api/chat"),
});

export function toChatRequest(body: z.output<typeof chatBody>): InferenceRequest {
  const tools = (body.tools ?? []).map(({ function: { name, description, parameters } }) => ({
    type: "function" as const,
    function: { name, ...(description ? { description } : {}), ...(parameters ? { parameters } : {}) },
  }));
  const messages = body.messages.map((message): ChatMessage => {
    const { role, content, thinking, tool_calls: calls, tool_name: name, tool_call_id: id } = message;
    return {
      role,
      content: content ?? "",
      ...(thinking ? { thinking } : {}),
      ...(name ? { name } : {}),
      ...(id ? { toolCallId: id } : {}),
      ...(calls && calls.length > 0 ? { toolCalls: calls.map(toCall) } : {}),
    };
  });
  if (messages.length === 0) return loadOnly(body.model);
  return toRequest(body, {
    kind: "chat",
    messages,
    tools,
    toolSchemaField: "function.parameters",
    toolChoice: "auto",
    parallelTools: true,
    thinking: toThinking(body.think),
    templateVariables: undefined,
  });
}

function toThinking(value: z.output<typeof chatBody>["think"]): ThinkingWish | undefined {
  if (value === null || value === undefined) return undefined;
  return typeof value === "string"
    ? { wanted: true, effort: value, param: "think" }
    : { wanted: value, param: "think" };
}

function toCall({ id, function: { name, arguments: args } }: z.output<typeof toolCall>): ToolCall {
  return { ...(id ? { id } : {}), name, arguments: args };
}

export function toGenerateRequest(body: z.output<typeof generateBody>): InferenceRequest {
  const { prompt, suffix, system, raw } = body;
  if (!prompt) return loadOnly(body.model);
  if (system && (suffix || raw === true)) {
    const message = "system: Expected no value beside raw or suffix, which take the prompt as it is";
    throw new Problem("invalid_request", message, { param: "system" });
  }
  if (body.think && (suffix || raw === true)) {
    const message = "think: Expected no value beside raw or suffix, which take the prompt as it is";
    throw new Problem("invalid_request", message, { param: "think" });
  }
  if (suffix) return toRequest(body, { kind: "gap", before: prompt, after: suffix });
  if (raw === true) return toRequest(body, { kind: "text", text: prompt });
  const first: ChatMessage[] = system ? [{ role: "system", content: system }] : [];
  return toRequest(body, {
    kind: "chat",
    messages: [...first, { role: "user", content: prompt }],
    tools: [],
    toolSchemaField: "function.parameters",
    toolChoice: "none",
    parallelTools: true,
    thinking: toThinking(body.think),
    templateVariables: undefined,
  });
}

/** Ollama's way to load a model, or to unload it by a `keep_alive` of 0: a request for nothing. */
function loadOnly(model: string): InferenceRequest {
  return { ...plainRequest, model, prompts: [], options: {} };
}

type CommonBody = Pick<z.output<typeof generateBody>, "model" | "options" | "format">;

function toRequest({ model, options: given, format: wanted }: CommonBody, prompt: Prompt): InferenceRequest {
  return { ...plainRequest, model, prompts: [prompt], options: toOptions(given ?? {}), format: toFormat(wanted) };
}

function toFormat(wanted: CommonBody["format"]): AnswerFormat {
  if (!wanted) return { type: "text" };
  return wanted === "json" ? { type: "json" } : { type: "schema", schema: wanted, param: "format" };
}

function toOptions(given: Partial<z.output<typeof requestOptions>>): InferenceRequest["options"] {
  const { num_predict: most, seed } = given;
  assertMirostat(given);
  // Negative ones ask for no limit and for any seed, also where the server has another default: there, and undefined.
  const off = {
    ...(most !== undefined && most !== null && most < 0 ? { maxTokens: undefined } : {}),
    ...(seed !== undefined && seed !== null && seed < 0 ? { seed: undefined } : {}),
    ...(given.mirostat === 0 ? { mirostat: undefined } : {}),
  };
  const named = {
    maxTokens: most,
    temperature: given.temperature,
    topK: given.top_k,
    topP: given.top_p,
    minP: given.min_p,
    typicalP: given.typical_p,
    seed: seed === null || seed === undefined ? undefined : seed % 0xffffffff,
    stop: given.stop,
    repeatPenalty: given.repeat_penalty,
    repeatLastTokens: given.repeat_last_n,
    presencePenalty: given.presence_penalty,
    frequencyPenalty: given.frequency_penalty,
    keepTokens: given.num_keep,
    mirostat: given.mirostat
      ? {
          version: given.mirostat,
          ...(typeof given.mirostat_tau === "number" ? { tau: given.mirostat_tau } : {}),
          ...(typeof given.mirostat_eta === "number" ? { eta: given.mirostat_eta } : {}),
        }
      : undefined,
  };
  const entries = Object.entries(named).filter(([, value]) => value !== null && value !== undefined);
  return { ...Object.fromEntries(entries), ...off };
}

function assertMirostat(given: Partial<z.output<typeof requestOptions>>): void {
  if (typeof given.mirostat === "number") return;
  const alone = (["mirostat_tau", "mirostat_eta"] as const).find((name) => typeof given[name] === "number");
  if (alone === undefined) return;
  const param = `options.${alone}`;
  const message = `${param}: Expected mirostat beside it, without which it means nothing`;
  throw new Problem("invalid_request", message, { param });
}

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Seconds as a number, or Go's durations; 0 unloads at once and a negative one never. In the pool's terms. */
export function toKeepMs(value: number | string | null | undefined): number | undefined {
  if (value === null || value === undefined) return undefined;
  const ms = typeof value === "number" ? value * 1000 : durationMs(value);
  if (ms < 0) return 0; // never
  return ms === 0 ? -1 : Math.min(Math.ceil(ms), 0x7fffffff);
}

function durationMs(text: string): number {
  if (/^[+-]?\d+$/.test(text)) return Number(text) * 1000;
  const parts = text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g);
  const sum = [...parts].reduce((total, [, number, unit = ""]) => total + Number(number) * (unitMs[unit] ?? 0), 0);
  return text.startsWith("-") ? -sum : sum;
}
