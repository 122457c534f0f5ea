import { randomUUID } from "node:crypto";

import { InvalidOptionError, LlamaError } from "../../errors.js";
import type { ChatTemplate } from "../../chat/chat-template.js";
import type { GenerateOptions, MessagesPrompt } from "../../chat/prompt-source.js";
import { showsMarks } from "../../chat/thinking/plan-thinking.js";
import { showTools, toolSyntax } from "../../chat/tools/plan-tools.js";
import type { Generation } from "../../generation/generation.js";
import type { LlamaContext } from "../../llama-context.js";
import type { LlamaModel } from "../../llama-model.js";
import { jsonObjectGrammar, jsonSchemaGrammar } from "../../sampling/json-schema/json-schema-grammar.js";
import { abortable } from "../abortable.js";
import { Problem } from "../http/problem.js";
import type { Lease, ModelPool, PooledModel } from "../models/model-pool.js";
import { AnswerReader } from "./answer-reader.js";
import { BatchQueue, Ticker } from "./batch-queue.js";
import type { ContentFilter, FilteredRequest } from "./content-filter.js";
import type { AnswerInfo, InferenceEvent } from "./events.js";
import { EventFilter } from "./filter-events.js";
import type { ChatPrompt, InferenceRequest, Prompt, RequestOptions } from "./request.js";

export interface BackendOptions {
  /** For what a request leaves open. */
  readonly defaults: Omit<RequestOptions, "signal" | "onToken">;
  readonly filter: ContentFilter | undefined;
}

/**
 * How long a piece of text may wait for the next ones, but never the first. At least as long as the engine lets a single stream's
 * tokens wait; those of several it hands over at once, and each would cost its client a packet: here at
 * most 200 in a second, of up to 20 streams.
 */
const ticker = new Ticker({ leastMs: 25, msEach: 5, mostMs: 100, graceMs: 15 });

/** A request in progress. */
export interface Run {
  readonly info: AnswerInfo;
  /** Tokens that have come of each answer so far, whether or not they are a part of its text. */
  readonly generatedTokens: readonly number[];
  /** What has come since the last call, or undefined after the end. Rejects with what went wrong. */
  next(): Promise<InferenceEvent[] | undefined>;
}

export interface RunOptions {
  readonly requestId: string;
  readonly signal: AbortSignal;
  /** See {@link Lease.release}. */
  readonly keepMs?: number | undefined;
}

/** Runs requests of any dialect on the models of the pool. */
export class Backend {
  readonly pool: ModelPool;
  readonly #options: BackendOptions;

  constructor(pool: ModelPool, options: BackendOptions) {
    this.pool = pool;
    this.#options = { ...options, defaults: withGrammar(options.defaults) };
  }

  /** Loads the model where that is needed and starts the request. Aborting the signal ends it in any state. */
  async run(asked: InferenceRequest, options: RunOptions): Promise<Run> {
    const request = this.#withoutOptionalLogprobs(asked);
    const entry = await this.pool.find(request.model);
    const filtered = this.#filteredRequest(request, entry, options);
    await this.#askFilter(request, filtered);
    // For one that is not there others would have to go, only to be without it again.
    if (asksToUnload(request, options) && !entry.isWanted) return nothingToDo(entry, 0);
    const lease = await this.pool.acquire(entry, options.signal);
    try {
      return await this.#start(request, lease, filtered, options);
    } catch (error) {
      lease.release(options.keepMs);
      throw error;
    }
  }

  /** Uses a model for something other than generating. */
  async withModel<T>(
    name: string | undefined,
    signal: AbortSignal,
    use: (model: LlamaModel) => Promise<T>,
  ): Promise<T> {
    const lease = await this.pool.acquire(await this.pool.find(name), signal);
    try {
      return await use(lease.model);
    } finally {
      lease.release();
    }
  }

  /** The text of a conversation as a request would have it. */
  async renderChat(model: string | undefined, prompt: ChatPrompt, signal: AbortSignal): Promise<string> {
    const lease = await this.pool.acquire(await this.pool.find(model), signal);
    try {
      const template = templateOf(lease);
      return await template.renderAsync(...toTemplatePrompt(prompt, template));
    } finally {
      lease.release();
    }
  }

  /** The tokens of a conversation as a request would have them. */
  async countTokens(model: string | undefined, prompt: ChatPrompt, signal: AbortSignal): Promise<number> {
    const lease = await this.pool.acquire(await this.pool.find(model), signal);
    try {
      return await countPrompt(prompt, lease);
    } finally {
      lease.release();
    }
  }

  #filteredRequest(request: InferenceRequest, entry: PooledModel, { requestId, signal }: RunOptions): FilteredRequest {
    const chat = request.prompts.find((prompt) => prompt.kind === "chat");
    const texts = request.prompts.flatMap((prompt) => {
      if (prompt.kind === "text") return [prompt.text];
      return prompt.kind === "gap" ? [prompt.before, prompt.after] : [];
    });
    const { user, metadata } = request;
    const { tools = [], templateVariables } = chat ?? {};
    const messages = chat && withAnswerStart(chat);
    return { id: requestId, model: entry.id, messages, tools, templateVariables, texts, user, metadata, signal };
  }

  #withoutOptionalLogprobs(request: InferenceRequest): InferenceRequest {
    if (this.#options.filter?.output === undefined || request.logprobsAreOptional !== true) return request;
    return { ...request, options: { ...request.options, logprobs: false } };
  }

  async #askFilter({ options, prompts }: InferenceRequest, filtered: FilteredRequest): Promise<void> {
    const { filter } = this.#options;
    if (filter?.output !== undefined && options.logprobs !== undefined && options.logprobs !== false) {
      const message = "Not supported: log-probabilities would show what the content filter holds back";
      throw new Problem("unsupported", message, { param: "logprobs" });
    }
    if (filter?.request !== undefined && prompts.some(({ kind }) => kind === "tokens")) {
      throw new Problem("unsupported", "Not supported: the content filter reads texts, not tokens", {
        param: "prompt",
      });
    }
    const verdict = await abortable(filter?.request?.(filtered), filtered.signal);
    if (verdict !== undefined) throw new Problem("content_filter", verdict.block);
  }

  async #start(request: InferenceRequest, lease: Lease, filtered: FilteredRequest, options: RunOptions): Promise<Run> {
    const [first] = request.prompts;
    if (request.prompts.length === 0) {
      lease.release(options.keepMs);
      return nothingToDo(lease.entry, lease.loadMs);
    }
    const context = contextOf(lease);
    const promptTokens = request.countsPrompt && first !== undefined ? await countPrompt(first, lease) : 0;
    options.signal.throwIfAborted();
    assertRoom(request.prompts.length * request.n, context);
    const plans = await Promise.all(
      request.prompts.map((prompt) => planPrompt(prompt, request, lease, this.#options.defaults)),
    );
    options.signal.throwIfAborted();
    const answers = new Answers(request, lease, context, { ...this.#options.defaults }, options.signal);
    answers.start(plans, () => lease.release(options.keepMs));
    const { filter } = this.#options;
    const output = filter?.output?.bind(filter);
    const eventFilter =
      output === undefined
        ? undefined
        : new EventFilter(
            (part) => output(filtered, part),
            (choice) => answers.cancel(choice),
          );
    return {
      info: infoOf(lease.entry, promptTokens, lease.loadMs),
      generatedTokens: answers.generatedTokens,
      async next() {
        for (;;) {
          const events = await answers.queue.next();
          if (events === undefined || eventFilter === undefined) return events;
          const passed = await abortable(eventFilter.apply(events), options.signal);
          if (passed.length > 0) return passed;
        }
      },
    };
  }
}

/** All that the model will read of a conversation. */
function withAnswerStart({ messages, answerStart }: ChatPrompt): ChatPrompt["messages"] {
  return answerStart === undefined ? messages : [...messages, { role: "assistant", content: answerStart }];
}

function infoOf({ id: model }: PooledModel, promptTokens: number, loadMs: number): AnswerInfo {
  return { id: randomUUID().replaceAll("-", ""), createdMs: Date.now(), model, promptTokens, loadMs };
}

/** Whether a request is for nothing but the end of its model's load. */
function asksToUnload({ prompts }: InferenceRequest, { keepMs }: RunOptions): boolean {
  return prompts.length === 0 && keepMs !== undefined && keepMs < 0;
}

function nothingToDo(entry: PooledModel, loadMs: number): Run {
  return { info: infoOf(entry, 0, loadMs), generatedTokens: [], next: () => Promise.resolve(undefined) };
}

/** With a schema for all answers as its grammar: made once, and a request's own grammar takes its place. */
function withGrammar(defaults: BackendOptions["defaults"]): BackendOptions["defaults"] {
  const { jsonSchema, ...others } = defaults;
  if (jsonSchema === undefined) return defaults;
  if (others.grammar !== undefined)
    throw new InvalidOptionError("grammar", "no grammar beside a jsonSchema", others.grammar);
  return { ...others, grammar: jsonSchemaGrammar(jsonSchema, { name: "jsonSchema" }) };
}

/** The generations of one request, whose events come together in one queue. */
class Answers {
  readonly queue = new BatchQueue<InferenceEvent>(ticker);
  /** See {@link Run.generatedTokens}. */
  readonly generatedTokens: number[] = [];
  readonly #request: InferenceRequest;
  readonly #lease: Lease;
  readonly #context: LlamaContext;
  readonly #defaults: BackendOptions["defaults"];
  /** Ends all generations when one of them fails, or the client leaves. */
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #generations: Generation[] = [];

  constructor(
    request: InferenceRequest,
    lease: Lease,
    context: LlamaContext,
    defaults: BackendOptions["defaults"],
    signal: AbortSignal,
  ) {
    this.#request = request;
    this.#lease = lease;
    this.#context = context;
    this.#defaults = defaults;
    this.#signal = signal;
  }

  /** Throws where a request is refused at once; nothing of it runs then. */
  start(plans: readonly PromptPlan[], onEnd: () => void): void {
    const { n } = this.#request;
    const stop = (): void => this.#stop.abort(this.#signal.reason);
    this.#signal.addEventListener("abort", stop, { once: true });
    try {
      for (const [index, plan] of plans.entries()) {
        for (let copy = 0; copy < n; copy++) this.#generate(index * n + copy, copy, plan);
      }
    } catch (error) {
      this.#stop.abort(error);
      this.#signal.removeEventListener("abort", stop);
      throw error;
    }
    void Promise.allSettled(this.#generations).then(() => {
      this.#signal.removeEventListener("abort", stop);
      this.queue.end();
      onEnd();
    });
  }

  cancel(choice: number): void {
    this.#generations[choice]?.cancel();
  }

  #generate(choice: number, copy: number, plan: PromptPlan): void {
    const { queue } = this;
    const context = this.#context;
    const options = { ...this.#request.options, ...plan.options };
    const { seed } = { ...this.#defaults, ...options };
    const reader = new AnswerReader({
      choice,
      logprobs: options.logprobs !== undefined && options.logprobs !== false,
      rendersSpecial: plan.rendersSpecial === true,
      tokenizer: this.#lease.model.tokenizer,
    });
    // Not before the engine has taken the request: one that it refuses has an answer of its own.
    let echoed: InferenceEvent[] = plan.echo === undefined ? [] : [{ type: "text", choice, text: plan.echo }];
    const push = (events: readonly InferenceEvent[]): void => {
      for (const event of [...echoed, ...events]) queue.push(event);
      echoed = [];
    };
    const generation = inRequestTerms(plan, () =>
      context.generate({
        ...this.#defaults,
        ...options,
        ...plan.prompt,
        // Each answer of several draws its own numbers.
        ...(seed === undefined ? {} : { seed: (seed + copy) % 0xffffffff }),
        signal: this.#stop.signal,
        onToken: (piece) => {
          this.generatedTokens[choice] = (this.generatedTokens[choice] ?? 0) + piece.tokens.length;
          push(reader.read(piece));
        },
      }),
    );
    this.#generations[choice] = generation;
    generation.then(
      (result) => push(reader.end(result)),
      (error: unknown) => {
        queue.fail(error);
        this.#stop.abort(error);
      },
    );
  }
}

/** What is wrong with a tool is told by its place in the request. */
function inRequestTerms({ toolSchemaField }: PromptPlan, generate: () => Generation): Generation {
  try {
    return generate();
  } catch (error) {
    const option = error instanceof LlamaError ? error.details["option"] : undefined;
    if (toolSchemaField === undefined || typeof option !== "string" || !option.startsWith("tools[")) throw error;
    const param = option.replace(/^(tools\[\d+\])\.function\.parameters/, `$1.${toolSchemaField}`);
    const message = (error as LlamaError).message.replace(option, param);
    throw new Problem("invalid_request", message, { param, cause: error });
  }
}

function contextOf({ entry, context }: Lease): LlamaContext {
  if (context !== null) return context;
  throw new Problem("unsupported", `Not supported: ${entry.id} makes embeddings alone`, { param: "model" });
}

/** Trying again would not help a request that is too large for an idle engine. */
function assertRoom(answers: number, context: LlamaContext): void {
  const { sequences } = context.info;
  const room = sequences + context.queueSize;
  if (answers <= room) return;
  const message = `The request asks for ${answers} answers at once, of which ${room} at most can run or wait here`;
  throw new Problem("invalid_request", message, { details: { answers, sequences, queueSize: context.queueSize } });
}

/** How a prompt is put to the engine. */
interface PromptPlan {
  readonly prompt: GenerateOptions;
  readonly options: RequestOptions;
  /** What the answer's text begins with of the prompt. */
  readonly echo?: string | undefined;
  /** Whether control tokens are a part of the answer's text. Default false. */
  readonly rendersSpecial?: boolean;
  /** See {@link ChatPrompt.toolSchemaField}. */
  readonly toolSchemaField?: string;
}

async function planPrompt(
  prompt: Prompt,
  request: InferenceRequest,
  lease: Lease,
  defaults: RequestOptions,
): Promise<PromptPlan> {
  const { tokenizer } = lease.model;
  const echo = request.echo ? echoText(prompt, lease.model) : undefined;
  switch (prompt.kind) {
    case "text":
      return { prompt: { prompt: prompt.text }, options: formatOptions(request), echo };
    case "tokens": {
      const tokens = tokenizer.checkTokens(prompt.tokens, prompt.param);
      return { prompt: { tokens }, options: formatOptions(request), echo };
    }
    case "gap": {
      const { bos, fimPrefix, fimSuffix, fimMiddle } = tokenizer.special;
      if (fimPrefix === null || fimSuffix === null || fimMiddle === null) {
        const message = `Not supported: ${lease.entry.id} cannot fill a gap in a text, as it has no tokens for that`;
        throw new Problem("unsupported", message, { param: "suffix" });
      }
      const head = tokenizer.addBos && bos !== null ? [bos, fimPrefix] : [fimPrefix];
      const [before, after] = await Promise.all(
        [prompt.before, prompt.after].map((text) => tokenizer.encodeAsync(text)),
      );
      const tokens = [...head, ...(before ?? []), fimSuffix, ...(after ?? []), fimMiddle];
      return { prompt: { tokens }, options: formatOptions(request) };
    }
    case "chat":
      return planChat(prompt, request, lease, defaults);
  }
}

function planChat(prompt: ChatPrompt, request: InferenceRequest, lease: Lease, defaults: RequestOptions): PromptPlan {
  const { messages, answerStart, toolChoice, strictTools = [], parallelTools, thinkingInText } = prompt;
  const template = templateOf(lease);
  const hasFormat = request.format.type !== "text" || { ...defaults, ...request.options }.grammar !== undefined;
  const hasToolGrammar = keepsToTools(prompt);
  const isBound = hasToolGrammar || hasFormat;
  assertThinking(prompt, lease, isBound);
  const chat = { template, messages, answerStart, ...toTemplateOptions(prompt, template), thinkingInText };
  const hasMarks = showsMarks(template, isBound);
  const given = toolChoice === "none" ? [] : prompt.tools;
  if (given.length === 0) return { prompt: chat, options: formatOptions(request), rendersSpecial: hasMarks };
  if (request.format.type !== "text" || request.options.grammar !== undefined) {
    const message = "Not supported: tools together with a format or grammar of the answer";
    throw new Problem("unsupported", message, { param: "tools" });
  }
  const strict = new Set(strictTools);
  const tools = given.map(({ type, function: tool }) => {
    return { type, function: { ...tool, strict: strict.has(tool.name) } };
  });
  return {
    prompt: { ...chat, tools, toolChoice, parallelToolCalls: parallelTools },
    // It takes the place of one for all answers.
    options: hasToolGrammar ? { grammar: undefined } : {},
    rendersSpecial: hasMarks || toolSyntax(template).triggerIsSpecial,
    toolSchemaField: prompt.toolSchemaField,
  };
}

/** Whether a grammar of the tools decides what may be answered. */
function keepsToTools({ tools, toolChoice, strictTools = [] }: ChatPrompt): boolean {
  return tools.length > 0 && toolChoice !== "none" && (toolChoice !== "auto" || strictTools.length > 0);
}

/** Refuses to have a model think that cannot, or where nothing may be before the answer. */
function assertThinking({ thinking, answerStart = "" }: ChatPrompt, lease: Lease, isBound: boolean): void {
  if (thinking?.wanted !== true) return;
  const { param } = thinking;
  const { thinkingSyntax, source } = templateOf(lease);
  if (thinkingSyntax === undefined) {
    // gpt-oss has channels in place of marks.
    if (source.includes("reasoning_effort")) return;
    throw new Problem("unsupported", `Not supported: ${lease.entry.id} does not think before it answers`, { param });
  }
  if (!isBound && answerStart === "") return;
  const message =
    "Not supported: thinking before an answer that was begun, has a format or grammar, or has tools that are strict or must be called";
  throw new Problem("unsupported", message, { param });
}

/** What the template is told besides the conversation. */
function toTemplateOptions(
  { thinking, templateVariables }: ChatPrompt,
  { thinkingSyntax }: ChatTemplate,
): Pick<MessagesPrompt, "thinking" | "templateVariables"> {
  const effort = thinking?.effort === undefined ? undefined : { reasoning_effort: thinking.effort };
  return {
    thinking: thinkingSyntax === undefined ? undefined : thinking?.wanted,
    templateVariables: effort ? { ...effort, ...templateVariables } : templateVariables,
  };
}

/** A conversation as it is put to the template, with its tools in words where the template does not show them. */
function toTemplatePrompt(prompt: ChatPrompt, template: ChatTemplate): Parameters<ChatTemplate["applyAsync"]> {
  const { thinking, templateVariables: variables } = toTemplateOptions(prompt, template);
  const { messages, tools } = showTools(template, prompt.messages, prompt.toolChoice === "none" ? [] : prompt.tools);
  const thinks = keepsToTools(prompt) ? false : thinking;
  return [messages, { tools, thinking: thinks, variables, answerStart: prompt.answerStart }];
}

function formatOptions({ format }: InferenceRequest): RequestOptions {
  switch (format.type) {
    case "text":
      return {};
    case "json":
      return { grammar: jsonObjectGrammar() };
    case "schema":
      return { grammar: jsonSchemaGrammar(format.schema, { name: format.param }) };
  }
}

function echoText(prompt: Prompt, { tokenizer }: LlamaModel): string {
  if (prompt.kind === "text") return prompt.text;
  return prompt.kind === "tokens" ? tokenizer.decode([...prompt.tokens], { removeSpecial: true }) : "";
}

const templates = new WeakMap<LlamaModel, ChatTemplate>();

/** Of the server's configuration, or else the model's own. */
function templateOf({ entry, model }: Lease): ChatTemplate {
  const { template } = entry.served;
  if (template === undefined) return model.chatTemplate;
  const made = templates.get(model) ?? model.createChatTemplate(template);
  templates.set(model, made);
  return made;
}

async function countPrompt(prompt: Prompt, lease: Lease): Promise<number> {
  switch (prompt.kind) {
    case "text":
      return (await lease.model.tokenizer.encodeAsync(prompt.text, { addSpecial: true, parseSpecial: true })).length;
    case "tokens":
      return prompt.tokens.length;
    case "chat": {
      const template = templateOf(lease);
      return (await template.applyAsync(...toTemplatePrompt(prompt, template))).length;
    }
    case "gap":
      return 0;
  }
}
