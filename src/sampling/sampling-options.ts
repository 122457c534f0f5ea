/** Repeats of longer runs of tokens are made ever less likely ("don't repeat yourself"). */
export interface DryOptions {
  /** Strength; 0 is off. Default 0.8. */
  multiplier?: number | undefined;
  /** Growth of the penalty for each token beyond `allowedLength`. Default 1.75. */
  base?: number | undefined;
  /** Length of repeats, in tokens, that goes unpunished. Default 2. */
  allowedLength?: number | undefined;
  /** Tokens to look back over; -1 (default) is the whole context. */
  lastTokens?: number | undefined;
  /** Texts over which no repeat reaches, 16 at most. Default a newline, colon, double quote and asterisk. */
  sequenceBreakers?: readonly string[] | undefined;
}

/** With a given probability, all but the least likely of the tokens above a threshold are dropped. */
export interface XtcOptions {
  /** 0 to 1; 0 is off. Default 0.5. */
  probability?: number | undefined;
  /** 0 to 1. Default 0.1; above 0.5 it is off. */
  threshold?: number | undefined;
}

/** Steers to a constant surprise; replaces every other sampler but the temperature. */
export interface MirostatOptions {
  /** Default 2. */
  version?: 1 | 2 | undefined;
  /** Target surprise in bits. Default 5. */
  tau?: number | undefined;
  /** Learning rate. Default 0.1. */
  eta?: number | undefined;
}

/** The temperature varies by the entropy of each step, within `temperature` ± `range`. */
export interface DynamicTemperatureOptions {
  /** Default 0, which is off. */
  range?: number | undefined;
  /** Default 1. */
  exponent?: number | undefined;
}

export type SamplerName =
  "penalties" | "dry" | "topNSigma" | "topK" | "typicalP" | "topP" | "minP" | "xtc" | "temperature";

/** Added to logits before sampling, by token id or text (every token of it); -Infinity forbids a token. */
export type LogitBias = Readonly<Record<string, number>> | ReadonlyMap<number | string, number>;

export interface SamplingOptions {
  /** 0 always takes the likeliest token. Default 0.8. */
  temperature?: number | undefined;
  dynamicTemperature?: DynamicTemperatureOptions | undefined;
  /** Keep this many of the likeliest tokens; 0 is off. Default 40. */
  topK?: number | undefined;
  /** Keep the likeliest tokens up to this summed probability; 1 is off. Default 0.95. */
  topP?: number | undefined;
  /** Keep tokens of at least this share of the likeliest one's probability; 0 is off. Default 0.05. */
  minP?: number | undefined;
  /** Keep the most typical tokens up to this summed probability; 1 (default) is off. */
  typicalP?: number | undefined;
  /** Keep tokens within this many standard deviations of the highest logit; 0 (default) is off. */
  topNSigma?: number | undefined;
  /** Tokens that each of the samplers above must leave. Default 0. */
  minKeep?: number | undefined;
  xtc?: XtcOptions | undefined;
  dry?: DryOptions | undefined;
  /** Divides the logits of recent tokens; 1 (default) is off. */
  repeatPenalty?: number | undefined;
  /** Taken from a recent token's logit for each time it occurred. -2 to 2, default 0. */
  frequencyPenalty?: number | undefined;
  /** Taken from a recent token's logit once. -2 to 2, default 0. */
  presencePenalty?: number | undefined;
  /** Tokens the three penalties look back over; 0 is none, -1 the whole context. Default 64. */
  repeatLastTokens?: number | undefined;
  mirostat?: MirostatOptions | undefined;
  /**
   * An object's keys are token ids where they are written as whole numbers and texts otherwise; a `Map` tells them apart
   * by type.
   */
  logitBias?: LogitBias | undefined;
  /** The samplers to run, in this order. Default all, as listed at {@link SamplerName}. */
  samplerOrder?: readonly SamplerName[] | undefined;
  /** 0 to 4294967294. The same seed gives the same text alone in a context. Default: drawn anew for each request. */
  seed?: number | undefined;
  /** A GBNF grammar with a rule `root`, which the text then follows. */
  grammar?: string | undefined;
  /**
   * A JSON schema, in place of a `grammar`: the text is then JSON that it accepts, unless the answer is cut (`finishReason`
   * "length"). The model is not shown it, so the prompt should say what is wanted. Objects have their `properties` in the
   * schema's order, and others only where `additionalProperties` asks for them or nothing is said of any. Keywords that no
   * grammar can keep (`minProperties`, `uniqueItems`, …) are refused with `INVALID_OPTION`, by their path.
   */
  jsonSchema?: Readonly<Record<string, unknown>> | undefined;
}
