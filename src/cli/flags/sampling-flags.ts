import type {
  DryOptions,
  DynamicTemperatureOptions,
  MirostatOptions,
  SamplingOptions,
  XtcOptions,
} from "../../sampling/sampling-options.js";
import type { FlagsFor } from "./flag-table.js";
import { camelCaseNames, jsonObject, logitBias, number } from "./values.js";

const dynamicTemperature = {
  range: { value: "<number>", parse: number, help: "vary the temperature by ± this (0, off)" },
  exponent: { value: "<number>", parse: number, help: "how it follows the entropy (1)" },
} satisfies FlagsFor<DynamicTemperatureOptions>;

const xtc = {
  probability: { value: "<number>", parse: number, help: "of dropping all likely tokens but the least (off)" },
  threshold: { value: "<number>", parse: number, help: "from which on a token is likely (0.1)" },
} satisfies FlagsFor<XtcOptions>;

const dry = {
  multiplier: { value: "<number>", parse: number, help: "strength of the penalty on repeated runs (off)" },
  base: { value: "<number>", parse: number, help: "its growth with a run's length (1.75)" },
  allowedLength: { value: "<tokens>", parse: number, help: "length of runs that may be repeated (2)" },
  lastTokens: { value: "<tokens>", parse: number, help: "how far to look back; -1 is the whole context (-1)" },
  sequenceBreakers: {
    name: "dry-sequence-breaker",
    value: "<text>",
    parseAll: (texts) => texts,
    help: "no run reaches over this; repeatable",
  },
} satisfies FlagsFor<DryOptions>;

const mirostat = {
  version: { name: "mirostat", value: "<1|2>", parse: number, help: "steer to a constant surprise (off)" },
  tau: { value: "<bits>", parse: number, help: "target surprise (5)" },
  eta: { value: "<number>", parse: number, help: "learning rate (0.1)" },
} satisfies FlagsFor<MirostatOptions>;

export const samplingFlags = {
  temperature: { value: "<number>", parse: number, help: "0 always takes the likeliest token (0.8)" },
  dynamicTemperature: { group: dynamicTemperature, needs: "range" },
  topK: { value: "<count>", parse: number, help: "keep this many of the likeliest tokens; 0 is off (40)" },
  topP: { value: "<number>", parse: number, help: "keep the likeliest up to this summed probability (0.95)" },
  minP: { value: "<number>", parse: number, help: "keep those of this share of the likeliest one's (0.05)" },
  typicalP: { value: "<number>", parse: number, help: "keep the most typical up to this probability (1, off)" },
  topNSigma: { value: "<number>", parse: number, help: "keep those within this many deviations (0, off)" },
  minKeep: { value: "<count>", parse: number, help: "tokens that each of these must leave (0)" },
  xtc: { group: xtc, needs: "probability" },
  dry: { group: dry, needs: "multiplier" },
  repeatPenalty: { value: "<number>", parse: number, help: "divide the logits of recent tokens (1, off)" },
  frequencyPenalty: { value: "<number>", parse: number, help: "for each time a recent token occurred, -2 to 2 (0)" },
  presencePenalty: { value: "<number>", parse: number, help: "once for a recent token, -2 to 2 (0)" },
  repeatLastTokens: { value: "<tokens>", parse: number, help: "what is recent; -1 is the whole context (64)" },
  mirostat: { group: mirostat, needs: "version" },
  logitBias: {
    value: "<token=bias>",
    parseAll: logitBias,
    help: "add to a token's logit, by id or text; -inf forbids it; repeatable",
  },
  samplerOrder: { value: "<names>", parse: camelCaseNames, help: "samplers to run, e.g. top-k,min-p,temperature" },
  seed: { value: "<number>", parse: number, help: "the same seed gives the same text (drawn anew)" },
  grammar: { value: "<gbnf>", orFile: true, help: "grammar the text must follow" },
  jsonSchema: {
    value: "<json>",
    parse: jsonObject("jsonSchema"),
    orFile: true,
    help: "JSON schema that the text must follow",
  },
} satisfies FlagsFor<SamplingOptions>;
