import type { ReadRequestOptions, RequestOptions } from "../context/request-options.js";
import { aTokenList, requestRules } from "../context/request-options.js";
import { InvalidOptionError } from "../errors.js";
import type { AnswerParser } from "../generation/answer-parser.js";
import type { Prompt } from "../generation/generation-run.js";
import type { Model } from "../model/model.js";
import type { OptionsOf, RulesFor } from "../validate.js";
import { aBoolean, aString, asRecord, optional, readOptions, required, withDefault } from "../validate.js";
import type { ToolDefinition } from "./chat-template.js";
import { ChatTemplate, someTools, someVariables } from "./chat-template.js";
import { encodePromptSoon } from "./encode-prompt.js";
import type { ChatMessage, PlainMessage } from "./messages.js";
import { someMessages } from "./messages.js";
import type { ThinkingOptions, ThinkingPlan } from "./thinking/plan-thinking.js";
import { planThinking } from "./thinking/plan-thinking.js";
import type { ToolChoice, ToolOptions, ToolPlan } from "./tools/plan-tools.js";
import { aToolChoice, planTools } from "./tools/plan-tools.js";

/** How a conversation becomes a prompt. */
export interface TemplateOptions {
  /** A template other than the model's own, or the source of one. */
  template?: ChatTemplate | string | undefined;
  /**
   * Tools the model may call. Where the template does not show them to the model, a system message describes them. Calls are no part of
   * the text: the result has them as `toolCalls`, and `finishReason: "tool_calls"`.
   */
  tools?: readonly ToolDefinition[] | undefined;
  /**
   * Default "auto": the model decides. Where a tool must be called, a grammar keeps the answer to calls of the tools' schemas; one by
   * its name is called once.
   */
  toolChoice?: ToolChoice | undefined;
  /** Whether an answer may have several calls. Default true. */
  parallelToolCalls?: boolean | undefined;
  /**
   * Whether a model that can think before it answers does so; by default as its template has it. What it thinks is no part of the
   * text: the result has it as `thinking`. `true` is refused where the template knows no thinking. Where a grammar, a schema, or a
   * tool that is strict or must be called leaves no room for it, the model does not think; beside `true` a `grammar` is one of
   * thought and answer together.
   */
  thinking?: boolean | undefined;
  /** Leave what the model thinks in the text, with its marks, but for one that the prompt ends with. Default false. */
  thinkingInText?: boolean | undefined;
  /** Further variables of the template. */
  templateVariables?: Readonly<Record<string, unknown>> | undefined;
}

interface NoPrompt {
  prompt?: undefined;
  messages?: undefined;
  tokens?: undefined;
}

/** A text as it is, without any template. */
export interface TextPrompt extends Omit<NoPrompt, "prompt"> {
  prompt: string;
  /** Add what the vocabulary asks for around a text, as a leading BOS. Default true. */
  addSpecial?: boolean | undefined;
  /** Turn the text of control tokens in `prompt` into those tokens, as llama.cpp's completion does. Default true. */
  parseSpecial?: boolean | undefined;
}

/** A conversation, through a chat template. */
export interface MessagesPrompt extends Omit<NoPrompt, "messages">, TemplateOptions {
  messages: readonly ChatMessage[];
  /** End with what makes the model answer. Default true. */
  addGenerationPrompt?: boolean | undefined;
  /** What the answer begins with: the model goes on from there, and the result has what it adds. Plain text. */
  answerStart?: string | undefined;
  /** Turn the text of control tokens in messages into those tokens. Default false: what a user types is plain text. */
  parseSpecial?: boolean | undefined;
}

/** Tokens as they are: nothing is added. */
export interface TokensPrompt extends Omit<NoPrompt, "tokens"> {
  tokens: Int32Array | readonly number[];
}

/** Exactly one of `prompt`, `messages` and `tokens`, with what belongs to it. */
export type PromptOptions = TextPrompt | MessagesPrompt | TokensPrompt;

export type GenerateOptions = RequestOptions & PromptOptions;

const templateRules = {
  template: optional(aTemplate),
  tools: optional(someTools),
  toolChoice: withDefault(aToolChoice, "auto"),
  parallelToolCalls: withDefault(aBoolean, true),
  thinking: optional(aBoolean),
  thinkingInText: withDefault(aBoolean, false),
  templateVariables: optional(someVariables),
} satisfies RulesFor<TemplateOptions>;

const textRules = {
  ...requestRules,
  prompt: required(aString),
  addSpecial: withDefault(aBoolean, true),
  parseSpecial: withDefault(aBoolean, true),
};
const messagesRules = {
  ...requestRules,
  ...templateRules,
  messages: required(someMessages),
  addGenerationPrompt: withDefault(aBoolean, true),
  answerStart: optional(aString),
  parseSpecial: withDefault(aBoolean, false),
};
const tokensRules = { ...requestRules, tokens: required(aTokenList) };

const anyRules = {
  ...textRules,
  ...messagesRules,
  prompt: optional(aString),
  messages: optional(someMessages),
  tokens: optional(aTokenList),
};

/** Options of `ChatSession.send`. */
export const sendRules = {
  ...requestRules,
  cachePrompt: withDefault(aBoolean, true),
  tools: templateRules.tools,
  toolChoice: templateRules.toolChoice,
  parallelToolCalls: templateRules.parallelToolCalls,
  thinking: templateRules.thinking,
  thinkingInText: templateRules.thinkingInText,
  templateVariables: templateRules.templateVariables,
};

const sources = ["prompt", "messages", "tokens"] as const;

export interface PromptAndRequest {
  readonly request: ReadRequestOptions;
  readonly encode: () => Prompt | Promise<Prompt>;
  /** Where the answer may call tools, or begin with thoughts. */
  readonly reader?: AnswerParser | undefined;
}

/** Reads options of `LlamaContext.generate`. Throws before anything runs; `encode` then makes the prompt. */
export function readGenerateOptions(options: unknown, model: Model, ownTemplate: () => ChatTemplate): PromptAndRequest {
  const all = Object.entries(asRecord(options, "the options of generate"));
  const given = Object.fromEntries(all.filter(([, value]) => value !== undefined));
  const named = sources.filter((source) => given[source] !== undefined);
  if (named.length !== 1) {
    readOptions("generate", anyRules, given); // a misspelt name is what is wrong then
    const expected = "exactly one of prompt, messages and tokens";
    throw new InvalidOptionError("generate", expected, named.length === 0 ? undefined : named.join(", "));
  }
  switch (named[0]) {
    case "messages":
      return readMessagesPrompt(given, model, ownTemplate);
    case "tokens":
      return readTokensPrompt(given, model);
    default:
      return readTextPrompt(given, model);
  }
}

function readTextPrompt(given: Record<string, unknown>, { tokenizer }: Model): PromptAndRequest {
  const request = readOptions("generate with prompt", textRules, given);
  const { prompt, addSpecial, parseSpecial } = request;
  const encode = async (): Promise<Prompt> => {
    const tokens = await tokenizer.encodeSoon(prompt, { addSpecial, parseSpecial });
    if (tokens.length === 0) throw new InvalidOptionError("prompt", "a text of at least one token", prompt);
    return { tokens, spaceFollows: false };
  };
  return { request, encode };
}

function readMessagesPrompt(
  given: Record<string, unknown>,
  model: Model,
  ownTemplate: () => ChatTemplate,
): PromptAndRequest {
  const read = readOptions("generate with messages", messagesRules, given);
  const template = resolveTemplate(read.template, model) ?? ownTemplate();
  const { templateVariables: variables, addGenerationPrompt, answerStart, parseSpecial } = read;
  const { messages, tools, thinking, reader, request } = planAnswer(template, read.messages, read);
  const options = { tools, thinking, variables, addGenerationPrompt, answerStart, parseSpecial };
  const encode = async (): Promise<Prompt> => {
    const prompt = await template.promptSoon(messages, options);
    return { ...prompt, tokens: await encodePromptSoon(model.tokenizer, prompt) };
  };
  return { request, encode, reader };
}

/** What a conversation and its request become with the tools and thoughts that belong to them. */
export function planAnswer<Read extends ReadRequestOptions & ToolOptions & ThinkingOptions>(
  template: ChatTemplate,
  messages: readonly PlainMessage[],
  read: Read,
): Omit<ToolPlan, "options"> & Omit<ThinkingPlan, "options"> & { readonly request: Read } {
  const { options, ...plan } = planTools(template, messages, read);
  for (const name of ["grammar", "jsonSchema"] as const) {
    if (options.grammar === undefined || read[name] === undefined) continue;
    throw new InvalidOptionError(name, "no value where tools must be called, or are strict", read[name]);
  }
  // Who has the model think beside a grammar of his own has room for that in it.
  const ownGrammar = read.grammar !== undefined && read.thinking !== true;
  const isBound = options.grammar !== undefined || read.jsonSchema !== undefined || ownGrammar;
  const { options: more, ...thinking } = planThinking(template, read, { isBound, reader: plan.reader });
  return { ...plan, ...thinking, request: { ...read, ...options, ...more } };
}

function readTokensPrompt(given: Record<string, unknown>, { tokenizer }: Model): PromptAndRequest {
  const request = readOptions("generate with tokens", tokensRules, given);
  const tokens = tokenizer.checkTokens(request.tokens, "tokens");
  if (tokens.length === 0) throw new InvalidOptionError("tokens", "at least one token", request.tokens);
  const own = Int32Array.from(tokens); // the caller may reuse the array before the request is submitted
  return { request, encode: () => ({ tokens: own, spaceFollows: false }) };
}

export function aTemplate(value: unknown, name: string): ChatTemplate | string {
  if (value instanceof ChatTemplate || (typeof value === "string" && value !== "")) return value;
  throw new InvalidOptionError(name, "a ChatTemplate or the source of one", value);
}

export function resolveTemplate(template: ChatTemplate | string | undefined, model: Model): ChatTemplate | undefined {
  return typeof template === "string" ? new ChatTemplate(model, template) : template?.for(model);
}

export type ReadSendOptions = OptionsOf<typeof sendRules>;
