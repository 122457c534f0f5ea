import { z } from "zod";

import { Problem } from "../http/problem.js";
import { jsonObject, maybe, refused } from "../http/schema.js";
import type { RequestOptions, ThinkingWish } from "../inference/request.js";

const samplers = {
  penalties: "penalties",
  dry: "dry",
  top_n_sigma: "topNSigma",
  top_k: "topK",
  typ_p: "typicalP",
  typical_p: "typicalP",
  top_p: "topP",
  min_p: "minP",
  xtc: "xtc",
  temperature: "temperature",
} as const;
type SamplerName = keyof typeof samplers;
const samplerNames = Object.keys(samplers) as SamplerName[];

const count = z.int().min(0).max(0x7fffffff);
const share = z.number().min(0).max(1);

export const stop = z.union([z.string().min(1), z.array(z.string().min(1)).max(16)]);

/** What OpenAI's routes say about sampling. */
export const samplingFields = {
  temperature: maybe(z.number().min(0).max(2)),
  top_p: maybe(share),
  frequency_penalty: maybe(z.number().min(-2).max(2)),
  presence_penalty: maybe(z.number().min(-2).max(2)),
  logit_bias: maybe(
    z.record(z.string().regex(/^(0|[1-9]\d*)$/, "Expected token ids as keys"), z.number().min(-100).max(100)),
  ),
  seed: maybe(z.int()),
  stop: maybe(stop),
};

/** What llama.cpp's server has beyond OpenAI's API, and a few names that other servers use. */
export const extensionFields = {
  top_k: maybe(count),
  min_p: maybe(share),
  typical_p: maybe(share),
  top_n_sigma: maybe(z.number().min(-1)),
  min_keep: maybe(count),
  repeat_penalty: maybe(z.number().min(0.01).max(100)),
  repeat_last_n: maybe(z.int().min(-1).max(0x7fffffff)),
  dynatemp_range: maybe(z.number().min(0)),
  dynatemp_exponent: maybe(z.number().min(0)),
  xtc_probability: maybe(share),
  xtc_threshold: maybe(share),
  dry_multiplier: maybe(z.number().min(0)),
  dry_base: maybe(z.number().min(1)),
  dry_allowed_length: maybe(count),
  dry_penalty_last_n: maybe(z.int().min(-1).max(0x7fffffff)),
  dry_sequence_breakers: maybe(z.array(z.string().min(1)).max(16)),
  mirostat: maybe(z.literal([0, 1, 2])),
  mirostat_tau: maybe(z.number().min(0)),
  mirostat_eta: maybe(z.number().min(0)),
  samplers: maybe(z.array(z.enum(samplerNames))),
  grammar: maybe(z.string().min(1)),
  json_schema: maybe(jsonObject),
  ignore_eos: maybe(z.boolean()),
  cache_prompt: maybe(z.boolean()),
  n_keep: maybe(count),
  stop_token_ids: maybe(z.array(count)),
  id_slot: refused("requests are not bound to slots", -1),
};

/** How much a model shall think before it answers. */
export const effort = z.enum(["none", "minimal", "low", "medium", "high", "xhigh"]);

export const effortField = maybe(effort).meta({
  description:
    "Accepted where the model thinks before it answers: none turns that off, and templates may know the others",
});

export function toThinking(
  value: z.output<typeof effort> | null | undefined,
  param: string,
): { readonly thinking?: ThinkingWish } {
  if (value === null || value === undefined) return {};
  return { thinking: value === "none" ? { wanted: false, param } : { wanted: true, effort: value, param } };
}

type Sampling = z.output<z.ZodObject<typeof samplingFields>>;
type Extensions = z.output<z.ZodObject<typeof extensionFields>>;
type Options = Omit<RequestOptions, "signal" | "onToken">;

/** Fields that say how much of something there is, with those that say more about it. */
const measures = {
  dynatemp_range: { option: "dynamicTemperature", details: ["dynatemp_exponent"] },
  xtc_probability: { option: "xtc", details: ["xtc_threshold"] },
  dry_multiplier: {
    option: "dry",
    details: ["dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers"],
  },
  mirostat: { option: "mirostat", details: ["mirostat_tau", "mirostat_eta"] },
} as const satisfies Partial<
  Record<keyof Extensions, { option: keyof Options; details: readonly (keyof Extensions)[] }>
>;

/**
 * OpenAI's and llama.cpp's fields as the library's options; what is left out stays out. What a request turns off is there
 * as undefined, which takes the place of a default of the server.
 */
export function toOptions(body: Sampling & Extensions): Options {
  const { xtc_probability: xtc, dry_multiplier: dry, mirostat, dynatemp_range: range } = body;
  const given = compact({
    temperature: body.temperature,
    topP: body.top_p,
    frequencyPenalty: body.frequency_penalty,
    presencePenalty: body.presence_penalty,
    logitBias: toLogitBias(body.logit_bias),
    seed: toSeed(body.seed),
    stop: body.stop,
    topK: body.top_k,
    minP: body.min_p,
    typicalP: body.typical_p,
    topNSigma: body.top_n_sigma === undefined || body.top_n_sigma === null ? undefined : Math.max(0, body.top_n_sigma),
    minKeep: body.min_keep,
    repeatPenalty: body.repeat_penalty,
    repeatLastTokens: body.repeat_last_n,
    dynamicTemperature: range ? compact({ range, exponent: body.dynatemp_exponent }) : undefined,
    xtc: xtc ? compact({ probability: xtc, threshold: body.xtc_threshold }) : undefined,
    dry: dry
      ? compact({
          multiplier: dry,
          base: body.dry_base,
          allowedLength: body.dry_allowed_length,
          lastTokens: body.dry_penalty_last_n,
          sequenceBreakers: body.dry_sequence_breakers,
        })
      : undefined,
    mirostat: mirostat ? compact({ version: mirostat, tau: body.mirostat_tau, eta: body.mirostat_eta }) : undefined,
    samplerOrder: body.samplers?.map((name) => samplers[name]),
    grammar: body.grammar,
    ignoreEos: body.ignore_eos,
    cachePrompt: body.cache_prompt,
    keepTokens: body.n_keep,
    stopTokens: body.stop_token_ids,
  });
  return { ...given, ...turnedOff(body) };
}

/** What zeros, and a seed of -1, turn off. Refuses details of what the request says nothing of. */
function turnedOff(body: Sampling & Extensions): { [Name in keyof Options]?: undefined } {
  const off: { [Name in keyof Options]?: undefined } = body.seed === -1 ? { seed: undefined } : {};
  for (const [field, { option, details }] of Object.entries(measures) as Entries<typeof measures>) {
    const measure = body[field] ?? undefined;
    if (measure === 0) off[option] = undefined;
    const alone = measure === undefined ? details.find((name) => (body[name] ?? undefined) !== undefined) : undefined;
    if (alone === undefined) continue;
    const message = `${alone}: Expected ${field} beside it, without which it means nothing`;
    throw new Problem("invalid_request", message, { param: alone });
  }
  return off;
}

type Entries<T> = { [Name in keyof T]: [Name, T[Name]] }[keyof T][];

/** Refuses a request that says in more than one field what the answer must look like; the first names the problem. */
export function assertOneFormat(fields: Readonly<Record<string, unknown>>): void {
  if (Object.values(fields).filter((value) => value ?? false).length <= 1) return;
  const names = Object.keys(fields);
  const [param] = names;
  const message = `${param}: Expected only one of ${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  throw new Problem("invalid_request", message, { param });
}

/** -100 forbids a token, as OpenAI says. */
function toLogitBias(bias: Sampling["logit_bias"]): Record<string, number> | undefined {
  if (bias === undefined || bias === null) return undefined;
  return Object.fromEntries(Object.entries(bias).map(([token, value]) => [token, value <= -100 ? -Infinity : value]));
}

/** Any whole number is a seed for OpenAI; llama.cpp has 32 bits, of which -1 means none. */
function toSeed(seed: number | null | undefined): number | undefined {
  if (seed === undefined || seed === null || seed === -1) return undefined;
  return ((seed % 0xffffffff) + 0xffffffff) % 0xffffffff;
}

type Compact<T> = { [Name in keyof T]?: Exclude<T[Name], null | undefined> };

/** Without what is null or undefined. */
export function compact<T extends object>(values: T): Compact<T> {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(given) as Compact<T>;
}
