import { toUSVString } from "node:util";

import { InvalidOptionError } from "../errors.js";
import type { Model } from "../model/model.js";
import type { Tokenizer } from "../model/tokenizer.js";
import type { TemplateHandle } from "../native/contract.js";
import { awaitAddon, callAddon } from "../native/errors.js";
import type { Check, OptionsOf, RulesFor } from "../validate.js";
import { aBoolean, aNonEmptyString, asRecord, aString, optional, readOptions, withDefault } from "../validate.js";
import { encodePrompt, encodePromptSoon } from "./encode-prompt.js";
import { aJsonValue, mapStrings, someString } from "./json-values.js";
import type { ChatMessage, PlainMessage } from "./messages.js";
import { mapTexts, someMessages } from "./messages.js";
import { normalizeMessages } from "./normalize-messages.js";
import type { RenderedText } from "./special-text-shield.js";
import { SpecialTextShield } from "./special-text-shield.js";
import type { TemplateMessage } from "./template-messages.js";
import { toTemplateMessage } from "./template-messages.js";
import type { ProbeVocabulary, TemplateTraits } from "./template-traits.js";
import { probeTemplate, probeToolDefinitions } from "./template-traits.js";
import type { ThinkingSyntax } from "./thinking/thinking-syntax.js";
import { thinkingMarksOf } from "./thinking/thinking-syntax.js";

/** A tool in the form templates take: OpenAI's, with a JSON schema of the parameters. */
export interface ToolDefinition {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string | undefined;
    readonly parameters?: Readonly<Record<string, unknown>> | undefined;
    /** Whether a call's arguments have to keep to the schema, also where none has to be called. Default false. */
    readonly strict?: boolean | undefined;
  };
}

export interface RenderOptions {
  /** End with what makes the model answer. Default true. */
  addGenerationPrompt?: boolean | undefined;
  /** What the answer begins with: the model goes on from there. Plain text. */
  answerStart?: string | undefined;
  /** Tools the model may ask for; templates that know none ignore them. */
  tools?: readonly ToolDefinition[] | undefined;
  /**
   * Whether a model that can think before it answers does so; by default as its template has it. Templates are told by the variables
   * `enable_thinking` and `thinking`; where one knows neither, `false` puts an empty thought in the prompt.
   */
  thinking?: boolean | undefined;
  /** Further variables of the template. */
  variables?: Readonly<Record<string, unknown>> | undefined;
}

export interface ApplyOptions extends RenderOptions {
  /** Turn the text of control tokens in messages into those tokens. Default false: what a user types is plain text. */
  parseSpecial?: boolean | undefined;
}

/** Characters of variables beyond which rendering belongs off the JS thread. */
const longVariables = 16384;

/** Set by rendering itself. */
const reservedVariables = ["messages", "tools", "add_generation_prompt"];

export const someTools: Check<readonly ToolDefinition[]> = (value, name) => {
  if (!Array.isArray(value)) throw new InvalidOptionError(name, "an array of tools", value);
  return value.map((tool: unknown, index) => aTool(tool, `${name}[${index}]`));
};

const aTool: Check<ToolDefinition> = (value, name) => {
  const tool = asRecord(value, name) as Partial<ToolDefinition>;
  if (tool.type !== "function") throw new InvalidOptionError(`${name}.type`, '"function"', tool.type);
  const { name: called, parameters, strict } = asRecord(tool.function, `${name}.function`);
  aNonEmptyString(called, `${name}.function.name`);
  optional(asRecord)(parameters, `${name}.function.parameters`);
  optional(aBoolean)(strict, `${name}.function.strict`);
  return aJsonValue(tool as ToolDefinition, name);
};

export const someVariables: Check<Record<string, unknown>> = (value, name) => {
  const variables = asRecord(value, name);
  for (const reserved of reservedVariables) {
    if (Object.hasOwn(variables, reserved))
      throw new InvalidOptionError(`${name}.${reserved}`, "no value", variables[reserved]);
  }
  return aJsonValue(variables, name);
};

const renderRules = {
  addGenerationPrompt: withDefault(aBoolean, true),
  answerStart: optional(aString),
  tools: optional(someTools),
  thinking: optional(aBoolean),
  variables: optional(someVariables),
} satisfies RulesFor<RenderOptions>;

const applyRules = { ...renderRules, parseSpecial: withDefault(aBoolean, false) } satisfies RulesFor<ApplyOptions>;

/** A conversation in front of an answer. */
export interface RenderedPrompt extends RenderedText {
  /** Whether the space that the model begins its answer with belongs to the format; see `TemplateTraits`. */
  readonly spaceFollows: boolean;
  /** Whether it ends with the beginning of a thought. */
  readonly thinks: boolean;
}

/** Checked options. */
export type ReadApplyOptions = OptionsOf<typeof applyRules>;

/**
 * A Jinja chat template with the vocabulary it writes for. Conversations that a template refuses (a system message, two
 * messages of one role in a row, results of tools, …) are put in a form it accepts; see `normalizeMessages`.
 */
export class ChatTemplate {
  readonly source: string;
  /** @internal How the model writes what it thinks, where the template knows of that. */
  readonly thinkingSyntax: ThinkingSyntax | undefined;
  readonly #model: Model;
  readonly #handle: TemplateHandle;
  readonly #forOthers = new WeakMap<Model, ChatTemplate>();
  #traits: TemplateTraits | undefined;
  #showsTools: boolean | undefined;
  #goesByThinking: boolean | undefined;
  #specialTokens: { bos_token: string; eos_token: string } | undefined;

  /** Use `model.createChatTemplate`. Throws `TEMPLATE` where the source cannot be parsed. */
  constructor(model: Model, source: string) {
    this.#model = model;
    this.source = aNonEmptyString(source, "the template's source");
    this.#handle = callAddon(() => model.addon.templateCreate({ source: toUSVString(source) }));
    const marks = thinkingMarksOf(source);
    this.thinkingSyntax = marks && { ...marks, isSpecial: model.tokenizer.specialTexts.isIn(marks.close) };
  }

  /** @internal The same for another model, whose vocabulary is what tells control tokens from text; made once. */
  for(model: Model): ChatTemplate {
    if (model === this.#model) return this;
    const present = this.#forOthers.get(model);
    if (present !== undefined) return present;
    const made = new ChatTemplate(model, this.source);
    this.#forOthers.set(model, made);
    return made;
  }

  /** The conversation as text. Throws `TEMPLATE` where the template fails, with its line in `details` where known. */
  render(messages: readonly ChatMessage[], options?: RenderOptions): string {
    const read = readOptions("render", renderRules, options);
    return this.prompt(someMessages(messages, "messages"), { ...read, parseSpecial: false }).text;
  }

  /** {@link ChatTemplate.render} without holding the JS thread for long conversations. */
  async renderAsync(messages: readonly ChatMessage[], options?: RenderOptions): Promise<string> {
    const read = readOptions("render", renderRules, options);
    return (await this.promptSoon(someMessages(messages, "messages"), { ...read, parseSpecial: false })).text;
  }

  /** The conversation as tokens: the rendered text tokenized, with BOS in front exactly once where the model wants one. */
  apply(messages: readonly ChatMessage[], options?: ApplyOptions): Int32Array {
    const read = readOptions("apply", applyRules, options);
    return encodePrompt(this.#tokenizer, this.prompt(someMessages(messages, "messages"), read));
  }

  /** {@link ChatTemplate.apply} without holding the JS thread for long conversations. */
  async applyAsync(messages: readonly ChatMessage[], options?: ApplyOptions): Promise<Int32Array> {
    const read = readOptions("apply", applyRules, options);
    return encodePromptSoon(this.#tokenizer, await this.promptSoon(someMessages(messages, "messages"), read));
  }

  /** Renders checked messages, and tells which of the text must stay plain. */
  prompt(messages: readonly PlainMessage[], options: ReadApplyOptions): RenderedPrompt {
    const { variables, restore } = this.#prepare(messages, options);
    return restore(this.#render(variables));
  }

  /** {@link ChatTemplate.prompt}; long conversations are rendered off the JS thread. */
  async promptSoon(messages: readonly PlainMessage[], options: ReadApplyOptions): Promise<RenderedPrompt> {
    const { variables, restore } = this.#prepare(messages, options);
    if (variables.length <= longVariables) return restore(this.#render(variables));
    const template = this.#handle;
    return restore(await awaitAddon(() => this.#model.addon.templateRenderAsync({ template, variables })));
  }

  /** Whether it shows a model the tools there are. */
  get showsTools(): boolean {
    this.#showsTools ??= probeToolDefinitions(this.#probe, this.#accepted.form);
    return this.#showsTools;
  }

  get #tokenizer(): Tokenizer {
    return this.#model.tokenizer;
  }

  #render(variables: string): string {
    return callAddon(() => this.#model.addon.templateRender({ template: this.#handle, variables }));
  }

  /** Found out on first use, by rendering a few words a dozen times. */
  get #accepted(): TemplateTraits {
    this.#traits ??= probeTemplate(this.#probe, this.#vocabulary);
    return this.#traits;
  }

  readonly #probe = (
    messages: TemplateMessage[],
    tools: null | readonly unknown[],
    variables: Record<string, unknown> = {},
  ): string => {
    const options = { addGenerationPrompt: true, tools, variables };
    return this.#render(JSON.stringify(this.#variables(messages, options)));
  };

  get #vocabulary(): ProbeVocabulary {
    const tokenizer = this.#tokenizer;
    return {
      spacePrefix: tokenizer.spacePrefix,
      endsWithControlToken: (text) => tokenizer.specialTexts.isAtEnd(text),
    };
  }

  #prepare(
    messages: readonly PlainMessage[],
    options: ReadApplyOptions,
  ): { variables: string; restore: (rendered: string) => RenderedPrompt } {
    this.#model.assertUsable();
    const accepted = this.#accepted;
    const normalized = normalizeMessages(messages, accepted).map((message) => mapTexts(message, toUSVString));
    const tools = mapStrings(options.tools ?? accepted.form.noTools, toUSVString);
    const shield = options.parseSpecial ? undefined : this.#shieldFor(normalized, tools);
    const hide = (text: string): string => shield?.hide(text) ?? text;
    const variables = this.#variables(
      normalized.map((message) => toTemplateMessage(mapTexts(message, hide), accepted.form)),
      { ...options, tools: mapStrings(tools, hide), variables: mapStrings(this.#ownVariables(options), toUSVString) },
    );
    const answerFollows = options.addGenerationPrompt && messages.at(-1)?.role !== "assistant";
    const spaceFollows = answerFollows && accepted.answerSpace !== "none";
    const answerStart = toUSVString(options.answerStart ?? "");
    if (answerStart !== "" && !answerFollows) {
      const expected = "no value where the assistant has the last message, or addGenerationPrompt is false,";
      throw new InvalidOptionError("answerStart", expected, answerStart);
    }
    const syntax = options.addGenerationPrompt ? this.thinkingSyntax : undefined;
    const needsEmptyThought = syntax !== undefined && options.thinking === false && !this.#canBeTold;
    return {
      variables: JSON.stringify(variables),
      restore: (text) => {
        const rendered = { ...(shield?.restore(text) ?? { text, literals: [] }), spaceFollows };
        if (syntax === undefined) return withAnswerStart({ ...rendered, thinks: false }, answerStart);
        const begun = withThought(rendered, syntax);
        const prompt = needsEmptyThought ? withEmptyThought(begun, syntax) : begun;
        const endsThought = options.thinking === false || answerStart !== "";
        return withAnswerStart(endsThought ? withThoughtEnded(prompt, syntax) : prompt, answerStart);
      },
    };
  }

  /** Whether the template writes something else where it is told not to think; found out once. */
  get #canBeTold(): boolean {
    const { form } = this.#accepted;
    const messages = [toTemplateMessage({ role: "user", content: "x" }, form)];
    const rendered = (thinking: boolean): string | undefined => {
      try {
        return this.#probe(messages, form.noTools, thinkingVariables(thinking));
      } catch {
        return undefined;
      }
    };
    this.#goesByThinking ??= rendered(true) !== rendered(false);
    return this.#goesByThinking;
  }

  #ownVariables({ thinking, variables = {} }: ReadApplyOptions): Record<string, unknown> {
    if (thinking === undefined || this.thinkingSyntax === undefined) return variables;
    return { ...thinkingVariables(thinking), ...variables };
  }

  /** Undefined where nothing holds the text of a control token, as is the rule. */
  #shieldFor(messages: readonly PlainMessage[], tools: unknown): SpecialTextShield | undefined {
    const specials = this.#tokenizer.specialTexts;
    const found = someString([messages, tools], (text) => specials.isIn(text));
    return found ? new SpecialTextShield(specials, JSON.stringify([messages, tools]) + this.source) : undefined;
  }

  #variables(
    messages: readonly TemplateMessage[],
    options: { addGenerationPrompt: boolean; tools: unknown; variables: Record<string, unknown> },
  ): Record<string, unknown> {
    const { bos, eos } = this.#tokenizer.special;
    this.#specialTokens ??= {
      bos_token: bos === null ? "" : this.#tokenizer.piece(bos),
      eos_token: eos === null ? "" : this.#tokenizer.piece(eos),
    };
    return {
      ...this.#specialTokens,
      ...options.variables,
      messages,
      tools: options.tools,
      add_generation_prompt: options.addGenerationPrompt,
    };
  }
}

/** What templates call it. */
function thinkingVariables(thinking: boolean): Record<string, boolean> {
  return { enable_thinking: thinking, thinking };
}

/** Tells whether the prompt ends with the beginning of a thought, which the template writes and no message. */
function withThought(prompt: Omit<RenderedPrompt, "thinks">, { open }: ThinkingSyntax): RenderedPrompt {
  const head = prompt.text.trimEnd();
  const isOwn = !prompt.literals.some(({ end }) => end >= head.length);
  return { ...prompt, thinks: isOwn && head.endsWith(open) };
}

/** Ends the thought that the prompt begins, as templates that can do without write it. */
function withThoughtEnded(prompt: RenderedPrompt, { close }: ThinkingSyntax): RenderedPrompt {
  if (!prompt.thinks) return prompt;
  return { ...prompt, text: `${prompt.text.trimEnd()}\n\n${close}\n\n`, spaceFollows: false, thinks: false };
}

/** Begins a thought that is to be ended at once, for templates that cannot be told to do without one. */
function withEmptyThought(prompt: RenderedPrompt, { open, close }: ThinkingSyntax): RenderedPrompt {
  const { text, thinks } = prompt;
  return thinks || text.trimEnd().endsWith(close) ? prompt : { ...prompt, text: text + open, thinks: true };
}

/** As the template would write it behind the prompt. Nothing in it is a control token. */
function withAnswerStart(prompt: RenderedPrompt, answerStart: string): RenderedPrompt {
  if (answerStart === "") return prompt;
  const head = prompt.spaceFollows ? `${prompt.text} ` : prompt.text;
  const literal = { start: head.length, end: head.length + answerStart.length };
  return { ...prompt, text: head + answerStart, literals: [...prompt.literals, literal], spaceFollows: false };
}
