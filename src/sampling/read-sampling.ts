import { toUSVString } from "node:util";

import { InvalidOptionError } from "../errors.js";
import type { Tokenizer } from "../model/tokenizer.js";
import type { NativeSamplingParams } from "../native/contract.js";
import type { Check, OptionsOf, RulesFor } from "../validate.js";
import {
  aNonEmptyString,
  aNumber,
  anArrayOf,
  anInteger,
  oneOf,
  optional,
  optionsObject,
  withDefault,
} from "../validate.js";
import { jsonSchemaGrammar } from "./json-schema/json-schema-grammar.js";
import { aLogitBias, interpretLogitBias } from "./logit-bias.js";
import type {
  DryOptions,
  DynamicTemperatureOptions,
  MirostatOptions,
  SamplerName,
  SamplingOptions,
  XtcOptions,
} from "./sampling-options.js";

/** llama.cpp takes 2^32 - 1 for "draw one". */
const highestSeed = 0xfffffffe;
const int32Max = 0x7fffffff;

/** Names of the samplers here and in llama.cpp, in the order they run by default. */
const nativeSamplerNames: Readonly<Record<SamplerName, string>> = {
  penalties: "penalties",
  dry: "dry",
  topNSigma: "top_n_sigma",
  topK: "top_k",
  typicalP: "typ_p",
  topP: "top_p",
  minP: "min_p",
  xtc: "xtc",
  temperature: "temperature",
};
const samplerNames = Object.keys(nativeSamplerNames) as SamplerName[];

const aSamplerOrder: Check<SamplerName[]> = (value, name) => {
  const order = anArrayOf(oneOf(...samplerNames), "an array of sampler names")(value, name);
  if (new Set(order).size !== order.length)
    throw new InvalidOptionError(name, "each sampler at most once", order.join(", "));
  return order;
};

const dynamicTemperature = {
  range: withDefault(aNumber(0), 0),
  exponent: withDefault(aNumber(0), 1),
} satisfies RulesFor<DynamicTemperatureOptions>;

const xtc = {
  probability: withDefault(aNumber(0, 1), 0.5),
  threshold: withDefault(aNumber(0, 1), 0.1),
} satisfies RulesFor<XtcOptions>;

/** The engine reads the whole vocabulary for each of them. */
const mostBreakers = 16;
const breakers = anArrayOf(aNonEmptyString, "an array of texts");
const someBreakers: Check<string[]> = (value, name) => {
  const texts = breakers(value, name);
  if (texts.length > mostBreakers) throw new InvalidOptionError(name, `at most ${mostBreakers} texts`, texts.length);
  return texts;
};

const dry = {
  multiplier: withDefault(aNumber(0), 0.8),
  base: withDefault(aNumber(1), 1.75),
  allowedLength: withDefault(anInteger(0, int32Max), 2),
  lastTokens: withDefault(anInteger(-1, int32Max), -1),
  sequenceBreakers: withDefault(someBreakers, ["\n", ":", '"', "*"]),
} satisfies RulesFor<DryOptions>;

const mirostat = {
  version: withDefault(oneOf(1, 2), 2),
  tau: withDefault(aNumber(0), 5),
  eta: withDefault(aNumber(0), 0.1),
} satisfies RulesFor<MirostatOptions>;

/** Gives its grammar. */
const aJsonSchema: Check<string> = (value, name) => jsonSchemaGrammar(value, { name });

export const samplingRules = {
  temperature: withDefault(aNumber(0), 0.8),
  dynamicTemperature: optional(optionsObject(dynamicTemperature)),
  topK: withDefault(anInteger(0, int32Max), 40),
  topP: withDefault(aNumber(0, 1), 0.95),
  minP: withDefault(aNumber(0, 1), 0.05),
  typicalP: withDefault(aNumber(0, 1), 1),
  topNSigma: withDefault(aNumber(0), 0),
  minKeep: withDefault(anInteger(0, int32Max), 0),
  xtc: optional(optionsObject(xtc)),
  dry: optional(optionsObject(dry)),
  repeatPenalty: withDefault(aNumber(0.01, 100), 1),
  frequencyPenalty: withDefault(aNumber(-2, 2), 0),
  presencePenalty: withDefault(aNumber(-2, 2), 0),
  repeatLastTokens: withDefault(anInteger(-1, int32Max), 64),
  mirostat: optional(optionsObject(mirostat)),
  logitBias: withDefault(aLogitBias, []),
  samplerOrder: withDefault(aSamplerOrder, samplerNames),
  seed: optional(anInteger(0, highestSeed)),
  grammar: optional(aNonEmptyString),
  jsonSchema: optional(aJsonSchema),
} satisfies RulesFor<SamplingOptions>;

export type ReadSamplingOptions = OptionsOf<typeof samplingRules>;

/** Puts checked options in llama.cpp's terms, drawing a seed where none is given. */
export function interpretSampling(options: ReadSamplingOptions, tokenizer: Tokenizer): NativeSamplingParams {
  const { dry, dynamicTemperature, mirostat, xtc } = options;
  return {
    // Not a secret, and "node:crypto" would add a tenth to what the library keeps on the heap.
    seed: options.seed ?? Math.floor(Math.random() * (highestSeed + 1)),
    temperature: options.temperature,
    dynamicTemperatureRange: dynamicTemperature?.range ?? 0,
    dynamicTemperatureExponent: dynamicTemperature?.exponent ?? 1,
    topK: options.topK,
    topP: options.topP,
    minP: options.minP,
    typicalP: options.typicalP,
    topNSigma: options.topNSigma > 0 ? options.topNSigma : -1,
    minKeep: options.minKeep,
    xtcProbability: xtc?.probability ?? 0,
    xtcThreshold: xtc?.threshold ?? 0.1,
    dryMultiplier: dry?.multiplier ?? 0,
    dryBase: dry?.base ?? 1.75,
    dryAllowedLength: dry?.allowedLength ?? 2,
    dryPenaltyLastN: dry?.lastTokens ?? -1,
    drySequenceBreakers: dry?.sequenceBreakers.map(toUSVString) ?? [],
    repeatPenalty: options.repeatPenalty,
    frequencyPenalty: options.frequencyPenalty,
    presencePenalty: options.presencePenalty,
    repeatLastN: options.repeatLastTokens,
    mirostat: mirostat?.version ?? 0,
    mirostatTau: mirostat?.tau ?? 5,
    mirostatEta: mirostat?.eta ?? 0.1,
    ...interpretLogitBias(options.logitBias, tokenizer),
    order: options.samplerOrder.map((name) => nativeSamplerNames[name]),
    grammar: toUSVString(grammarOf(options)),
  };
}

function grammarOf({ grammar, jsonSchema }: ReadSamplingOptions): string {
  if (grammar === undefined) return jsonSchema ?? "";
  if (jsonSchema !== undefined) throw new InvalidOptionError("grammar", "no grammar beside a jsonSchema", grammar);
  return grammar;
}
