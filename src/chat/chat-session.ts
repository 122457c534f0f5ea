import { startGeneration } from "../context/start-generation.js";
import { DisposedError, InvalidOptionError, LlamaError } from "../errors.js";
import type { Generation } from "../generation/generation.js";
import type { Prompt } from "../generation/generation-run.js";
import type { GenerationResult } from "../generation/result.js";
import type { Model } from "../model/model.js";
import { asRecord, readOptions } from "../validate.js";
import type { ChatEngine } from "./chat-engine.js";
import type { ChatTemplate } from "./chat-template.js";
import type { AnsweredPrompt } from "./continue-prompt.js";
import { continuePrompt } from "./continue-prompt.js";
import type { Conversation } from "./drop-turns.js";
import { withoutOldestTurns } from "./drop-turns.js";
import { encodePromptSoon } from "./encode-prompt.js";
import type { ChatMessage, PlainMessage } from "./messages.js";
import { readMessage, someMessages } from "./messages.js";
import type { ReadSendOptions } from "./prompt-source.js";
import { planAnswer, sendRules } from "./prompt-source.js";
import type { ChatSessionOptions, ChatSessionState, ReadSessionOptions, SendOptions } from "./session-options.js";
import { aSystemText, readSessionState } from "./session-options.js";

/** What a session works with. */
export interface ChatHost {
  readonly model: Model;
  readonly template: ChatTemplate;
  readonly engine: ChatEngine;
}

/** A model or a context. */
export interface ChatMaker {
  createChat(options: ChatSessionOptions): ChatSession;
}

type RenderedTurn = Prompt & Pick<AnsweredPrompt, "text">;

/** What a request has for its prompt. */
type TurnOptions = Pick<ReadSendOptions, "tools" | "thinking" | "templateVariables" | "contextShift">;

/**
 * A conversation with history. The history grows by a message and its answer whenever a `send` resolves: so a cancelled
 * answer (a loop that was left, `cancel()`) stays in it as far as it came, unless there is nothing of it yet; an aborted
 * `signal` or an error leaves it as it was.
 *
 * What the KV cache has of the conversation is not evaluated again: a new turn costs its own tokens only.
 *
 * A conversation that has outgrown the context is `CONTEXT_OVERFLOW`; with `contextShift` its oldest turns are not sent any more,
 * so that what is sent takes half of the context. They stay in the history.
 */
export class ChatSession {
  readonly #host: ChatHost;
  readonly #defaults: Record<string, unknown>;
  #system: string | null;
  #history: PlainMessage[];
  /** Messages at the beginning of the history that are not sent any more. */
  #unsent = 0;
  /** The last turn, as long as it is what the KV cache was left with. */
  #answered: AnsweredPrompt | undefined;
  #pending: Generation | undefined;
  #disposal: Promise<void> | undefined;

  /** Use `createChat` of a model or a context. */
  constructor(host: ChatHost, options: Omit<ReadSessionOptions, "template">) {
    this.#host = host;
    this.#system = options.system;
    this.#history = [...options.messages];
    this.#defaults = options.defaults;
  }

  /** Goes on with a saved session: `ChatSession.fromJSON(JSON.parse(text), { context })`, or `{ model }`. */
  static fromJSON(
    json: unknown,
    on: { context: ChatMaker } | { model: ChatMaker },
    options: Omit<ChatSessionOptions, "system" | "messages"> = {},
  ): ChatSession {
    const { system, messages } = readSessionState(json);
    const maker = "context" in on ? on.context : on.model;
    return maker.createChat({ ...options, system, messages });
  }

  /** The messages so far, without the system text (a copy). */
  get history(): ChatMessage[] {
    return structuredClone(this.#history);
  }

  /** The system text, or null. A change counts from the next `send` on. */
  get system(): string | null {
    return this.#system;
  }

  set system(text: string | null) {
    this.#system = aSystemText(text, "system");
  }

  /** Whether an answer is being generated. */
  get busy(): boolean {
    return this.#pending !== undefined;
  }

  get disposed(): boolean {
    return this.#disposal !== undefined;
  }

  /**
   * Sends a message of the user, or messages of any roles (as results of tools), and generates the answer. Throws
   * `INVALID_OPTION` for bad options and while another answer is being generated.
   */
  send(input: string | ChatMessage | readonly ChatMessage[], options?: SendOptions): Generation {
    this.#assertIdle("send");
    const read = readOptions("send", sendRules, { ...this.#defaults, ...withoutUndefined(options) });
    const added = readInput(input);
    const system: PlainMessage[] = this.#system === null ? [] : [{ role: "system", content: this.#system }];
    const history = this.#history.slice(this.#unsent);
    const { request, messages, tools, thinking, reader } = planAnswer(
      this.#host.template,
      [...system, ...history, ...added],
      read,
    );
    const head = messages.slice(0, messages.length - history.length - added.length);
    let turn: RenderedTurn | undefined;
    let unsent = this.#unsent;
    let settled = false;
    const generation = startGeneration({
      model: this.#host.model,
      engine: () => this.#host.engine.get(),
      options: request,
      prompt: async () => {
        const sent = await this.#encodeTurn({ head, history, added }, { ...request, tools, thinking });
        turn = sent.turn;
        unsent += history.length - sent.history.length;
        return turn;
      },
      reader,
      onSettled: (result) => {
        settled = true;
        this.#pending = undefined;
        if (result === undefined || turn === undefined) return;
        this.#unsent = unsent;
        this.#keep(added, turn, result);
      },
    });
    if (!settled) this.#pending = generation;
    return generation;
  }

  /** A second session with the same history that goes its own way; both share the context and what is cached in it. */
  fork(): ChatSession {
    this.#assertUsable();
    const engine: ChatEngine = { get: () => this.#host.engine.get(), dispose: () => Promise.resolve() };
    const fork = new ChatSession(
      { ...this.#host, engine },
      { system: this.#system, messages: this.#history, defaults: this.#defaults },
    );
    fork.#answered = this.#answered;
    fork.#unsent = this.#unsent;
    return fork;
  }

  /** Forgets the history; the system text stays. */
  reset(): void {
    this.#assertIdle("reset");
    this.#history = [];
    this.#unsent = 0;
    this.#answered = undefined;
  }

  toJSON(): ChatSessionState {
    return { version: 1, system: this.#system, messages: this.history };
  }

  /** Cancels an answer in progress and ends the session, with its context where that was made for it. Idempotent. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #dispose(): Promise<void> {
    const pending = this.#pending;
    pending?.cancel();
    await pending?.then(ignore, ignore);
    await this.#host.engine.dispose();
  }

  /** Where nothing more can go, the engine refuses what is still too long, with both counts. */
  async #encodeTurn(
    conversation: Conversation,
    options: TurnOptions,
  ): Promise<{ turn: RenderedTurn; history: readonly PlainMessage[] }> {
    const turn = await this.#encode(conversation, options);
    const whole = { turn, history: conversation.history };
    if (!options.contextShift) return whole;
    const { length } = turn.tokens;
    const { contextSize } = (await this.#host.engine.get()).info;
    const rest = length > contextSize ? withoutOldestTurns(conversation, contextSize / 2 / length) : undefined;
    return rest === undefined ? whole : this.#encodeTurn(rest, options);
  }

  async #encode(
    { head, history, added }: Conversation,
    { tools, thinking, templateVariables: variables }: TurnOptions,
  ): Promise<RenderedTurn> {
    const { model, template } = this.#host;
    const answered = this.#answered;
    const prompt = await template.promptSoon([...head, ...history, ...added], {
      tools,
      thinking,
      variables,
      addGenerationPrompt: true,
      answerStart: undefined,
      parseSpecial: false,
    });
    const encode = (from: number): Promise<Int32Array> => encodePromptSoon(model.tokenizer, prompt, from);
    const continued = answered && (await continuePrompt(model.tokenizer, answered, prompt, encode));
    return { ...prompt, tokens: continued ?? (await encode(0)) };
  }

  #keep(added: readonly PlainMessage[], turn: RenderedTurn, result: GenerationResult): void {
    const toolCalls = result.toolCalls?.map(({ id, name, arguments: args }) => ({ id, name, arguments: args })) ?? [];
    const hasCalls = toolCalls.length > 0;
    const thinking = result.thinking ? { thinking: result.thinking } : {};
    if (result.finishReason === "cancelled" && result.text === "" && !result.thinking && !hasCalls) return;
    const calls = hasCalls ? { toolCalls } : {};
    this.#history.push(...added, { role: "assistant", content: result.text, ...thinking, ...calls });
    // With a stop string, a thought, a call, or the beginning of one, the tokens hold more than the text does.
    const isBroken = result.toolCalls !== undefined && result.text === "" && result.tokens.length > 0;
    const isText = result.stopString === null && result.usage.thinkingTokens === 0 && !hasCalls && !isBroken;
    this.#answered = isText ? { text: turn.text, tokens: turn.tokens, answer: result } : undefined;
  }

  #assertUsable(): void {
    if (this.disposed) throw new DisposedError("The chat session");
    this.#host.model.assertUsable();
  }

  #assertIdle(action: string): void {
    this.#assertUsable();
    if (!this.busy) return;
    throw new LlamaError(
      "INVALID_OPTION",
      `${action}() was called while an answer is being generated; await that first, also after cancel(), or fork() the session`,
    );
  }
}

function readInput(input: unknown): PlainMessage[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  if (Array.isArray(input)) return someMessages(input, "messages");
  if (typeof input === "object" && input !== null) return [readMessage(input, "message")];
  throw new InvalidOptionError("message", "a string, a message or an array of messages", input);
}

/** An option left `undefined` means the session's default. */
function withoutUndefined(options: SendOptions | undefined): Record<string, unknown> {
  if (options === undefined) return {};
  const given = Object.entries(asRecord(options, "the options of send"));
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function ignore(): void {
  // How the answer ended is for those who await it.
}
