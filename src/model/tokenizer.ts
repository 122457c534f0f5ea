import { TextDecoder, toUSVString } from "node:util";

import { InvalidOptionError } from "../errors.js";
import type { ModelHandle, NativeAddon, NativeTokenInfo, NativeVocabularyInfo } from "../native/contract.js";
import { awaitAddon, callAddon } from "../native/errors.js";
import type { RulesFor } from "../validate.js";
import { aBoolean, aString, readOptions, withDefault } from "../validate.js";
import { SpecialTexts } from "./special-texts.js";

export interface EncodeOptions {
  /** Add what the vocabulary asks for around a text, as a leading BOS. Default false: encoded texts can be joined. */
  addSpecial?: boolean | undefined;
  /** Turn the text of control tokens, e.g. `</s>`, into those tokens. Default false: it is plain text. */
  parseSpecial?: boolean | undefined;
}

export interface DecodeOptions {
  /** Drop a leading BOS and a trailing EOS. Default false. */
  removeSpecial?: boolean | undefined;
  /** Render control tokens as their text instead of leaving them out. Default false. */
  renderSpecial?: boolean | undefined;
}

/** Special tokens of a vocabulary; null where it has none. */
export interface SpecialTokens {
  readonly bos: number | null;
  readonly eos: number | null;
  readonly eot: number | null;
  readonly sep: number | null;
  readonly nl: number | null;
  readonly pad: number | null;
  readonly mask: number | null;
  readonly fimPrefix: number | null;
  readonly fimSuffix: number | null;
  readonly fimMiddle: number | null;
}

export interface TokenInfo extends NativeTokenInfo {
  readonly token: number;
}

const encodeRules = {
  addSpecial: withDefault(aBoolean, false),
  parseSpecial: withDefault(aBoolean, false),
} satisfies RulesFor<EncodeOptions>;

const decodeRules = {
  removeSpecial: withDefault(aBoolean, false),
  renderSpecial: withDefault(aBoolean, false),
} satisfies RulesFor<DecodeOptions>;

/** A token may well be a byte order mark. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Characters beyond which work belongs off the JS thread. */
const longText = 4096;

/**
 * Turns text into a model's tokens and back. Texts are Unicode: a lone surrogate becomes U+FFFD, as in `TextEncoder`, and
 * NUL is a character like any other. The synchronous methods take any length, but hold the JS thread for a long one
 * (about a millisecond for a few thousand characters); the asynchronous ones do not.
 */
export class Tokenizer {
  readonly #addon: NativeAddon;
  readonly #model: () => ModelHandle;
  readonly #endOfGeneration: ReadonlySet<number>;
  readonly #addBos: boolean;

  /** Tokens in the vocabulary; ids go from 0 to one less. */
  readonly vocabularySize: number;
  readonly vocabularyType: NativeVocabularyInfo["type"];
  readonly special: SpecialTokens;
  /** Texts of the vocabulary's control tokens. */
  readonly specialTexts: SpecialTexts;

  /** Made by the model. `model` throws once that is disposed. */
  constructor(addon: NativeAddon, model: () => ModelHandle, vocabulary: NativeVocabularyInfo) {
    const { type, size, addBos, addEos: _addEos, endOfGeneration, specialTexts, ...special } = vocabulary;
    this.#addon = addon;
    this.#model = model;
    this.#endOfGeneration = new Set(endOfGeneration);
    this.#addBos = addBos;
    this.specialTexts = new SpecialTexts(specialTexts);
    this.vocabularySize = size;
    this.vocabularyType = type;
    this.special = Object.freeze(special);
  }

  get bos(): number | null {
    return this.special.bos;
  }

  get eos(): number | null {
    return this.special.eos;
  }

  /** Every token that ends a generation: EOS, and what else the model was trained to end a turn with. */
  get endOfGeneration(): number[] {
    return [...this.#endOfGeneration];
  }

  /** Whether prompts of this model begin with BOS. */
  get addBos(): boolean {
    return this.#addBos && this.special.bos !== null;
  }

  /** Whether a text is encoded with a space in front of it, as SentencePiece does. */
  get spacePrefix(): boolean {
    if (this.vocabularyType !== "spm") return false;
    const [first] = this.encode("a");
    return first !== undefined && this.tokenText(first).startsWith("\u2581");
  }

  encode(text: string, options?: EncodeOptions): Int32Array {
    const call = this.#encodeCall(text, options);
    return callAddon(() => this.#addon.tokenize(call));
  }

  async encodeAsync(text: string, options?: EncodeOptions): Promise<Int32Array> {
    const call = this.#encodeCall(text, options);
    return awaitAddon(() => this.#addon.tokenizeAsync(call));
  }

  /** Inverse of {@link Tokenizer.encode} for whole texts; bytes that are no UTF-8 become U+FFFD. */
  decode(tokens: Int32Array | readonly number[], options?: DecodeOptions): string {
    const call = this.#decodeCall(tokens, options);
    return callAddon(() => this.#addon.detokenize(call));
  }

  async decodeAsync(tokens: Int32Array | readonly number[], options?: DecodeOptions): Promise<string> {
    const call = this.#decodeCall(tokens, options);
    return awaitAddon(() => this.#addon.detokenizeAsync(call));
  }

  /** `encode` for short texts and `encodeAsync` for long ones, for callers that can wait. */
  encodeSoon(text: string, options?: EncodeOptions): Int32Array | Promise<Int32Array> {
    return text.length > longText ? this.encodeAsync(text, options) : this.encode(text, options);
  }

  /** The token as it stands in the vocabulary, e.g. `▁Hello` or `<0x0A>`, and what kind it is. */
  tokenInfo(token: number): TokenInfo {
    this.#checkToken(token, "token");
    return { token, ...callAddon(() => this.#addon.tokenInfo({ model: this.#model(), token })) };
  }

  /** The token as it stands in the vocabulary, e.g. `▁Hello` or `</s>`. */
  tokenText(token: number): string {
    return this.tokenInfo(token).text;
  }

  /** Bytes the token adds to a text; they may be a part of a character. Control tokens add theirs too. */
  pieceBytes(token: number): Uint8Array {
    this.#checkToken(token, "token");
    return callAddon(() => this.#addon.tokenPiece({ model: this.#model(), token, renderSpecial: true }));
  }

  /** {@link Tokenizer.pieceBytes} as text, e.g. ` Hello`; a part of a character becomes U+FFFD. */
  piece(token: number): string {
    return decoder.decode(this.pieceBytes(token));
  }

  isEndOfGeneration(token: number): boolean {
    this.#checkToken(token, "token");
    return this.#endOfGeneration.has(token);
  }

  /** Throws unless every id is in the vocabulary; returns them as the addon takes them. */
  checkTokens(tokens: Int32Array | readonly number[], name: string): Int32Array {
    if (!(tokens instanceof Int32Array) && !Array.isArray(tokens)) {
      throw new InvalidOptionError(name, "an Int32Array or an array of token ids", tokens);
    }
    for (let index = 0; index < tokens.length; index++) this.#checkToken(tokens[index], name, index);
    return tokens instanceof Int32Array ? tokens : Int32Array.from(tokens);
  }

  #encodeCall(text: string, options: EncodeOptions | undefined): Parameters<NativeAddon["tokenize"]>[0] {
    aString(text, "text");
    return { model: this.#model(), text: toUSVString(text), ...readOptions("encode", encodeRules, options) };
  }

  #decodeCall(
    tokens: Int32Array | readonly number[],
    options: DecodeOptions | undefined,
  ): Parameters<NativeAddon["detokenize"]>[0] {
    const read = readOptions("decode", decodeRules, options);
    return { model: this.#model(), tokens: this.checkTokens(tokens, "tokens"), ...read };
  }

  #checkToken(token: unknown, name: string, index?: number): void {
    if (typeof token === "number" && Number.isInteger(token) && token >= 0 && token < this.vocabularySize) return;
    const where = index === undefined ? name : `${name}[${index}]`;
    throw new InvalidOptionError(where, `a token id from 0 to ${this.vocabularySize - 1}`, token);
  }
}
