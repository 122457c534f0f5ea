import type {
  ContextHandle,
  LoadJobHandle,
  ModelHandle,
  NativeAddon,
  NativeContextParams,
  NativeEvent,
  NativeEventReceiver,
  NativeGenerateRequest,
  NativeGenerationEnd,
  NativeLoadOptions,
  NativeModelInfo,
  TemplateHandle,
} from "../../src/native/contract.js";
import type { TemplateMessage } from "../../src/chat/template-messages.js";

/** Variables as templates get them. */
export interface Variables {
  messages: TemplateMessage[];
  tools: unknown;
  add_generation_prompt: boolean;
  bos_token: string;
  eos_token: string;
  [name: string]: unknown;
}
export type FakeTemplate = (variables: Variables) => string;

export function addonError(code: string, message: string, details: object = {}): Error {
  return Object.assign(new Error(message), { code, details });
}

const specials = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"];
/** Longer than a byte, so that the place where a text is cut shows in its tokens. */
const words = ["Paris", "Pa", "ris", "!\n", " the", " "];
const firstByte = specials.length;
const firstWord = firstByte + 256;
export const tokens = { unk: 0, bos: 1, eos: 2, imStart: 3, imEnd: 4 } as const;

export interface FakeOptions {
  /** Puts a space before every stretch of plain text, as SentencePiece does. */
  spacePrefix?: boolean;
  addBos?: boolean;
  /** More texts of control tokens, which are no tokens here. */
  specials?: string[];
  templates?: Record<string, FakeTemplate>;
  chatTemplate?: string | null;
  info?: Partial<NativeModelInfo>;
}

/** A request that reached the engine, with means to answer it. */
export class FakeRequest {
  readonly native: NativeGenerateRequest;
  readonly #context: FakeContext;
  readonly #generated: number[] = [];
  cancelled = false;
  cachedTokens = 0;
  ended = false;

  constructor(context: FakeContext, native: NativeGenerateRequest) {
    this.#context = context;
    this.native = native;
  }

  event(event: Partial<NativeEvent>): NativeEvent {
    this.#generated.push(...(event.tokens ?? []));
    return { id: this.native.id, text: "", tokens: [], logprobs: null, promptProcessed: 0, end: null, ...event };
  }

  emit(event: Partial<NativeEvent>): void {
    this.#context.send([this.event(event)]);
  }

  /** A token for each byte, which is not how the text would be tokenized. */
  piece(text: string): void {
    this.emit({ text, tokens: [...Buffer.from(text)].map((byte) => firstByte + byte) });
  }

  end(end: Partial<NativeGenerationEnd> = {}): void {
    if (this.ended) return;
    this.ended = true;
    this.#context.finished.push([...this.native.tokens, ...this.#generated]);
    this.emit({ end: { ...this.#defaultEnd(), ...end } });
  }

  #defaultEnd(): NativeGenerationEnd {
    return {
      reason: "stop",
      stopString: null,
      stopToken: null,
      promptTokens: this.native.tokens.length,
      cachedTokens: this.cachedTokens,
      generatedTokens: this.#generated.length,
      queueMs: 1,
      firstTokenMs: 12,
      totalMs: 50,
      promptMs: 10,
      generationMs: 40,
      contextShifts: 0,
      draftedTokens: 0,
      acceptedTokens: 0,
      error: null,
    };
  }
}

export class FakeContext {
  readonly addon: FakeAddon;
  readonly params: NativeContextParams;
  readonly #onEvents: NativeEventReceiver;
  readonly requests: FakeRequest[] = [];
  /** Tokens of ended requests: what a cache would have. */
  readonly finished: number[][] = [];
  readonly sequences = new Map<number, number[]>();
  disposed = false;

  constructor(addon: FakeAddon, params: NativeContextParams, onEvents: NativeEventReceiver) {
    this.addon = addon;
    this.params = params;
    this.#onEvents = onEvents;
  }

  send(events: NativeEvent[]): void {
    const numbers = events.flatMap(({ id, promptProcessed, tokens }) => [
      id,
      promptProcessed,
      tokens.length,
      ...tokens,
    ]);
    const rare = events.map(({ logprobs, end }) => (logprobs === null && end === null ? null : { logprobs, end }));
    this.#onEvents(
      Int32Array.of(events.length, ...numbers),
      rare.every((entry) => entry === null) ? null : rare,
      ...events.map(({ text }) => text),
    );
  }

  cachedFor(prompt: Int32Array): number {
    const common = (kept: number[]): number => {
      const end = [...prompt].findIndex((token, index) => token !== kept[index]);
      return end < 0 ? prompt.length - 1 : end;
    };
    return Math.max(0, ...this.finished.map(common));
  }

  get last(): FakeRequest {
    return this.requests.at(-1)!;
  }
}

interface Loading {
  resolve: (handle: ModelHandle) => void;
  reject: (error: Error) => void;
  options: NativeLoadOptions;
}

/** The addon's contract in JavaScript: bytes and a few words for tokens, functions for templates, answers by the test. */
export class FakeAddon implements NativeAddon {
  readonly contexts: FakeContext[] = [];
  readonly calls: string[] = [];
  /** What embeddings were made of. */
  readonly embedded: Int32Array[][] = [];
  readonly loads: Loading[] = [];
  readonly tokenized: { text: string; parseSpecial: boolean }[] = [];
  modelsFreed = 0;
  failContextCreate: Error | undefined;
  holdContextCreate: Promise<void> | undefined;
  /** Answers every request by itself; without it the test does. */
  answer: ((request: FakeRequest) => string) | undefined;
  readonly #options: FakeOptions;

  constructor(options: FakeOptions = {}) {
    this.#options = options;
  }

  get context(): FakeContext {
    return this.contexts.at(-1)!;
  }

  encode(text: string, parseSpecial: boolean): number[] {
    const parts = parseSpecial ? text.split(/(<unk>|<s>|<\/s>|<\|im_start\|>|<\|im_end\|>)/) : [text];
    return parts.flatMap((part) => {
      const special = parseSpecial ? specials.indexOf(part) : -1;
      return special >= 0 ? [special] : part === "" ? [] : this.#encodePlain(part);
    });
  }

  #encodePlain(part: string): number[] {
    const result: number[] = [];
    let rest = this.#options.spacePrefix === true ? ` ${part}` : part;
    while (rest !== "") {
      const word = words.findIndex((candidate) => rest.startsWith(candidate));
      if (word >= 0) {
        result.push(firstWord + word);
        rest = rest.slice(words[word]!.length);
      } else {
        const [character] = rest;
        result.push(...[...Buffer.from(character!)].map((byte) => firstByte + byte));
        rest = rest.slice(character!.length);
      }
    }
    return result;
  }

  bytesOf(token: number): Buffer {
    if (token < firstByte) return Buffer.from(specials[token]!);
    return token < firstWord ? Buffer.from([token - firstByte]) : Buffer.from(words[token - firstWord]!);
  }

  systemInfo(): ReturnType<NativeAddon["systemInfo"]> {
    return { devices: [] } as unknown as ReturnType<NativeAddon["systemInfo"]>; // the rest is not needed by these tests
  }

  modelLoad(options: NativeLoadOptions): { promise: Promise<ModelHandle>; job: LoadJobHandle } {
    let loading!: Loading;
    const promise = new Promise<ModelHandle>((resolve, reject) => (loading = { resolve, reject, options }));
    this.loads.push(loading);
    return { promise, job: loading as unknown as LoadJobHandle };
  }

  loadCancel({ job }: { job: LoadJobHandle }): void {
    (job as unknown as Loading).reject(addonError("CANCELLED", "Loading was cancelled"));
  }

  async modelFree(): Promise<void> {
    this.modelsFreed++;
    this.calls.push("modelFree");
  }

  modelInfo(): NativeModelInfo {
    return {
      description: "fake 1B Q4_0",
      architecture: "fake",
      parameterCount: 1e9,
      sizeBytes: 5e8,
      fileType: "Q4_0",
      contextLength: 8192,
      embeddingLength: 4,
      layerCount: 2,
      headCount: 2,
      headCountKv: 1,
      slidingWindow: 0,
      hasEncoder: false,
      hasDecoder: true,
      isRecurrent: false,
      isHybrid: false,
      metadata: { "general.architecture": "fake" },
      chatTemplate: this.#options.chatTemplate === undefined ? "chatml" : this.#options.chatTemplate,
      vocabulary: {
        type: this.#options.spacePrefix === true ? "spm" : "bpe",
        size: firstWord + words.length,
        addBos: this.#options.addBos ?? true,
        addEos: false,
        bos: tokens.bos,
        eos: tokens.eos,
        eot: null,
        sep: null,
        nl: null,
        pad: null,
        mask: null,
        fimPrefix: null,
        fimSuffix: null,
        fimMiddle: null,
        endOfGeneration: [tokens.eos, tokens.imEnd],
        specialTexts: [
          ...Array.from({ length: firstByte }, (_, token) => this.bytesOf(token).toString("latin1")),
          ...(this.#options.specials ?? []),
        ],
      },
      ...this.#options.info,
    };
  }

  ggufInspect(): ReturnType<NativeAddon["ggufInspect"]> {
    throw new Error("not needed by these tests");
  }

  tokenize({ text, addSpecial, parseSpecial }: Parameters<NativeAddon["tokenize"]>[0]): Int32Array {
    this.tokenized.push({ text, parseSpecial });
    const bos = addSpecial && this.#options.addBos !== false ? [tokens.bos] : [];
    return Int32Array.from([...bos, ...this.encode(text, parseSpecial)]);
  }

  async tokenizeAsync(options: Parameters<NativeAddon["tokenize"]>[0]): Promise<Int32Array> {
    this.calls.push("tokenizeAsync");
    return this.tokenize(options);
  }

  detokenize(options: Parameters<NativeAddon["detokenize"]>[0]): string {
    const shown = [...options.tokens].filter((token) => options.renderSpecial || token >= firstByte);
    return Buffer.concat(shown.map((token) => this.bytesOf(token))).toString();
  }

  async detokenizeAsync(options: Parameters<NativeAddon["detokenize"]>[0]): Promise<string> {
    return this.detokenize(options);
  }

  tokenInfo({ token }: { token: number }): ReturnType<NativeAddon["tokenInfo"]> {
    return {
      text: this.bytesOf(token).toString("latin1").replaceAll(" ", "\u2581"),
      score: 0,
      isControl: token > 0 && token < firstByte,
      isEndOfGeneration: token === tokens.eos || token === tokens.imEnd,
      isByte: token >= firstByte && token < firstWord,
      isUserDefined: false,
      isUnknown: token === 0,
    };
  }

  tokenPiece({ token }: { token: number }): Uint8Array {
    return this.bytesOf(token);
  }

  templateCreate({ source }: { source: string }): TemplateHandle {
    const template = { ...builtinTemplates, ...this.#options.templates }[source];
    if (template === undefined)
      throw addonError("TEMPLATE", "The chat template cannot be parsed (line 3)", { line: 3 });
    return template as unknown as TemplateHandle;
  }

  templateRender({ template, variables }: { template: TemplateHandle; variables: string }): string {
    return (template as unknown as FakeTemplate)(JSON.parse(variables));
  }

  async templateRenderAsync(options: { template: TemplateHandle; variables: string }): Promise<string> {
    this.calls.push("templateRenderAsync");
    return this.templateRender(options);
  }

  async contextCreate(options: Parameters<NativeAddon["contextCreate"]>[0]): Promise<ContextHandle> {
    this.calls.push("contextCreate");
    if (this.failContextCreate !== undefined) throw this.failContextCreate;
    await this.holdContextCreate;
    const context = new FakeContext(this, options.params, options.onEvents);
    this.contexts.push(context);
    return context as unknown as ContextHandle;
  }

  contextInfo({ context }: { context: ContextHandle }): ReturnType<NativeAddon["contextInfo"]> {
    const { contextSize, sequences, batchSize, microBatchSize, threads, batchThreads } = fake(context).params;
    return { contextSize, sequences, batchSize, microBatchSize, threads, batchThreads, canShift: true };
  }

  contextStats(): ReturnType<NativeAddon["contextStats"]> {
    throw new Error("not needed by these tests");
  }

  async contextDispose({ context }: { context: ContextHandle }): Promise<void> {
    this.calls.push("contextDispose");
    fake(context).disposed = true;
    for (const request of fake(context).requests) request.end({ reason: "cancelled" });
  }

  contextGenerate(native: NativeGenerateRequest): void {
    const context = fake(native.context);
    if (native.tokens.length > context.params.contextSize) {
      const details = { promptTokens: native.tokens.length, contextSize: context.params.contextSize };
      throw addonError("CONTEXT_OVERFLOW", "The prompt is too long", details);
    }
    const request = new FakeRequest(context, native);
    request.cachedTokens = context.cachedFor(native.tokens);
    context.requests.push(request);
    if (this.answer !== undefined) void this.#stream(request, this.answer(request));
  }

  async #stream(request: FakeRequest, text: string): Promise<void> {
    for (const character of text) {
      await new Promise((resolve) => setImmediate(resolve));
      if (request.ended) return;
      request.piece(character);
    }
    await new Promise((resolve) => setImmediate(resolve));
    request.end();
  }

  contextCancel({ context, id }: { context: ContextHandle; id: number }): void {
    const request = fake(context).requests.find(({ native }) => native.id === id);
    if (request === undefined || request.ended) return;
    request.cancelled = true;
    setImmediate(() => request.end({ reason: "cancelled" }));
  }

  async contextEmbed({ inputs }: { context: ContextHandle; inputs: Int32Array[] }): Promise<Float32Array[]> {
    this.embedded.push(inputs.map((tokens) => tokens.slice()));
    return inputs.map(() => Float32Array.of(3, 4, 0, 0));
  }

  async sequenceCreate({ context }: { context: ContextHandle }): Promise<number> {
    return this.#openSequence(context, []);
  }

  #openSequence(context: ContextHandle, content: number[]): number {
    const { sequences } = fake(context);
    const id = sequences.size + 100;
    sequences.set(id, content);
    return id;
  }

  async sequenceEvaluate(options: Parameters<NativeAddon["sequenceEvaluate"]>[0]): Promise<Float32Array | null> {
    this.calls.push(`evaluate ${options.tokens.join(" ")}`);
    await new Promise((resolve) => setImmediate(resolve));
    fake(options.context)
      .sequences.get(options.sequence)!
      .push(...options.tokens);
    if (options.logits === "none") return null;
    return Float32Array.from(options.logits === "all" ? options.tokens : options.tokens.slice(-1));
  }

  async sequenceFork({ context, sequence }: { context: ContextHandle; sequence: number }): Promise<number> {
    return this.#openSequence(context, [...fake(context).sequences.get(sequence)!]);
  }

  async sequenceTruncate(options: Parameters<NativeAddon["sequenceTruncate"]>[0]): Promise<void> {
    fake(options.context).sequences.get(options.sequence)!.length = options.length;
  }

  async sequenceSave({ context, sequence }: { context: ContextHandle; sequence: number }): Promise<Uint8Array> {
    return Uint8Array.from(fake(context).sequences.get(sequence)!);
  }

  async sequenceRestore(options: Parameters<NativeAddon["sequenceRestore"]>[0]): Promise<Int32Array> {
    fake(options.context).sequences.set(options.sequence, [...options.state]);
    return Int32Array.from(options.state);
  }

  async sequenceDispose({ context, sequence }: { context: ContextHandle; sequence: number }): Promise<void> {
    this.calls.push("sequenceDispose");
    fake(context).sequences.delete(sequence);
  }
}

function fake(context: ContextHandle): FakeContext {
  return context as unknown as FakeContext;
}

function fail(message: string): never {
  throw addonError("TEMPLATE", message, { line: 1 });
}

export const chatml: FakeTemplate = ({ messages, add_generation_prompt }) =>
  messages.map(({ role, content }) => `<|im_start|>${role}\n${content as string}<|im_end|>\n`).join("") +
  (add_generation_prompt ? "<|im_start|>assistant\n" : "");

/** As strict as Mistral-7B-Instruct-v0.2's. */
export const mistral: FakeTemplate = ({ messages, bos_token, eos_token }) =>
  bos_token +
  messages
    .map(({ role, content }, index) => {
      if ((role === "user") !== (index % 2 === 0)) fail("Conversation roles must alternate");
      if (role === "user") return `[INST] ${content as string} [/INST]`;
      return role === "assistant" ? `${content as string}${eos_token}` : fail("Only user and assistant roles!");
    })
    .join("");

const builtinTemplates: Record<string, FakeTemplate> = { chatml, mistral };
