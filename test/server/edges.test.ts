// Ollama's `options` and Text Generation Inference's `parameters`, at and just beyond the edges of what they may be: each
// value has its effect on the request, or is refused with its name.

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";

import type { Dialect, GenerationRoute } from "../../src/server/dialect.js";
import type { LlamaServer } from "../../src/server/index.js";
import type { RequestOptions } from "../../src/server/inference/request.js";
import { ollama } from "../../src/server/ollama/dialect.js";
import { tgi } from "../../src/server/tgi/dialect.js";
import { expectShape, post, startServer } from "./support.js";

/** JSON, as some of these numbers are no others in JavaScript. */
type Json = string;

interface Field {
  readonly good: readonly Json[];
  readonly bad: readonly Json[];
  /** What becomes of a good value; where it is left out the value has no part in sampling. */
  readonly option?: (value: never) => Partial<RequestOptions>;
}

const most = "2147483647";
const beyond = "2147483648";
const noNumbers = ['"1"', "true", "[]", "{}", "1e400", "-1e400"];
const noIntegers = [...noNumbers, "0.5", beyond, "9007199254740993", "1e300"];
const noFlags = ["0", "1", '"true"', "[]", "{}"];
/** Every float, down to what a C float has no room for. */
const from0 = ["0", "-0.0", "5e-324", "1e-45", "1e-38", "1", "3.4028236e38", "1.7976931348623157e308"];
const above0 = from0.slice(2);
const share = { good: ["0", "5e-324", "0.5", "1"], bad: [...noNumbers, "-5e-324", "-0.1", "1.0000000000000002", "2"] };
const penalty = { good: ["-2", "0", "2"], bad: [...noNumbers, "-2.0000000000000004", "2.0000000000000004"] };
const repetition = { good: ["0.01", "1", "100"], bad: [...noNumbers, "0", "-1", "0.009999", "100.00000000000001"] };
const count = { good: ["0", "1", most], bad: [...noIntegers, "-1"] };
const refused = (...harmless: Json[]): Field => ({
  good: harmless,
  bad: ["0", "1", "true", "false", '"x"', "{}"].filter((value) => !harmless.includes(value)),
});
const unknown: Field = { good: [], bad: ["0", "1", "null", "{}"] };
const tooManyTexts = JSON.stringify(Array.from({ length: 17 }, (_, index) => `stop ${index}`));

const ollamaFields: Readonly<Record<string, Field>> = {
  num_predict: {
    good: ["-2", "-1", "0", "1", most],
    bad: [...noIntegers, "-3"],
    option: (value: number) => ({ maxTokens: value < 0 ? undefined : value }),
  },
  temperature: {
    good: from0,
    bad: [...noNumbers, "-5e-324", "-1"],
    option: (value: number) => ({ temperature: value }),
  },
  top_k: { ...count, option: (value: number) => ({ topK: value }) },
  top_p: { ...share, option: (value: number) => ({ topP: value }) },
  min_p: { ...share, option: (value: number) => ({ minP: value }) },
  typical_p: { ...share, option: (value: number) => ({ typicalP: value }) },
  seed: {
    good: ["-9007199254740991", "-1", "0", "4294967294", "9007199254740991"],
    bad: [...noNumbers, "0.5", "9007199254740992", "1e300"],
    option: (value: number) => ({ seed: value < 0 ? undefined : value % 0xffffffff }),
  },
  stop: {
    good: ['"a"', "[]", '["a"]', '["a","\\ud800"]', tooManyTexts],
    bad: ['""', '[""]', "1", "true", "{}", "[1]"],
    option: (value: string | string[]) => ({ stop: value }),
  },
  repeat_penalty: { ...repetition, option: (value: number) => ({ repeatPenalty: value }) },
  repeat_last_n: {
    good: ["-1", "0", most],
    bad: [...noIntegers, "-2"],
    option: (value: number) => ({ repeatLastTokens: value }),
  },
  presence_penalty: { ...penalty, option: (value: number) => ({ presencePenalty: value }) },
  frequency_penalty: { ...penalty, option: (value: number) => ({ frequencyPenalty: value }) },
  num_keep: { ...count, option: (value: number) => ({ keepTokens: value }) },
  mirostat: {
    good: ["0", "1", "2"],
    bad: ["-1", "3", "1.5", '"1"', "true", "[]"],
    option: (value: number) => ({ mirostat: value === 0 ? undefined : { version: value as 1 | 2 } }),
  },
  // Beside mirostat, without which they mean nothing.
  mirostat_tau: { good: [], bad: ["5", "0", ...noNumbers, "-1"] },
  mirostat_eta: { good: [], bad: ["0.1", "0", ...noNumbers, "-1"] },
  num_ctx: refused(),
  num_batch: refused(),
  num_gpu: refused(),
  main_gpu: refused(),
  num_thread: refused(),
  use_mmap: refused(),
  numa: refused(),
  num_gqa: unknown,
};

const tgiFields: Readonly<Record<string, Field>> = {
  max_new_tokens: {
    good: ["1", most],
    bad: [...noIntegers, "0", "-1"],
    option: (value: number) => ({ maxTokens: value }),
  },
  temperature: {
    good: above0,
    bad: [...noNumbers, "0", "-0.0", "-1"],
    option: (value: number) => ({ temperature: value }),
  },
  top_k: {
    good: ["1", most],
    bad: [...noIntegers, "0", "-1"],
    option: (value: number) => ({ topK: value, temperature: 1 }),
  },
  top_p: {
    good: share.good.slice(1),
    bad: [...share.bad, "0"],
    option: (value: number) => ({ topP: value, temperature: 1 }),
  },
  typical_p: {
    good: share.good.slice(1),
    bad: [...share.bad, "0"],
    option: (value: number) => ({ typicalP: value, temperature: 1 }),
  },
  repetition_penalty: { ...repetition, option: (value: number) => ({ repeatPenalty: value }) },
  frequency_penalty: { ...penalty, option: (value: number) => ({ frequencyPenalty: value }) },
  do_sample: { good: ["true", "false"], bad: noFlags, option: (value: boolean) => ({ temperature: value ? 1 : 0 }) },
  seed: {
    good: ["0", "4294967295", "9007199254740991"],
    bad: [...noNumbers, "-1", "0.5", "9007199254740992", "1e300"],
    option: (value: number) => ({ seed: value % 0xffffffff }),
  },
  stop: {
    good: ["[]", '["a"]'],
    bad: ['"a"', '[""]', "[1]", "{}", "1", tooManyTexts],
    option: (value: string[]) => ({ stop: value }),
  },
  return_full_text: { good: ["true", "false"], bad: noFlags },
  details: { good: ["true"], bad: noFlags, option: () => ({ logprobs: true }) },
  grammar: {
    good: ['{"type":"json","value":{"type":"boolean"}}'],
    bad: [
      '"x"',
      "{}",
      "[]",
      '{"type":"regex","value":"a"}',
      '{"type":"json"}',
      '{"type":"json","value":1}',
      '{"type":"json","value":{"minProperties":2}}',
    ],
  },
  decoder_input_details: refused("false"),
  best_of: refused("1"),
  top_n_tokens: refused("0"),
  truncate: refused(),
  watermark: refused("false"),
  adapter_id: refused(),
  typical: unknown,
};

interface Subject {
  readonly dialect: Dialect;
  readonly path: string;
  readonly within: string;
  readonly fields: Readonly<Record<string, Field>>;
  /** The body of a request that is soon answered. */
  readonly body: (values: Json) => Json;
  readonly status: number;
}

const subjects: readonly Subject[] = [
  {
    dialect: ollama,
    path: "/api/generate",
    within: "options",
    fields: ollamaFields,
    body: (options) => `{"model":"smollm2","prompt":"a","raw":true,"stream":false,"options":${options}}`,
    status: 400,
  },
  {
    dialect: tgi,
    path: "/generate",
    within: "parameters",
    fields: tgiFields,
    body: (parameters) => `{"inputs":"a","parameters":${parameters}}`,
    status: 422,
  },
];

/** Whatever comes after one or two tokens ends the answer, where that is not what is tried. */
const soon = JSON.stringify(Array.from("aeiouyAEIOU \n.,1"));

function objectOf(values: Readonly<Record<string, Json>>): Json {
  const all = { ...("stop" in values ? {} : { stop: soon }), ...values };
  return `{${Object.entries(all)
    .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
    .join(",")}}`;
}

/** Null is as good as nothing, but for fields that there are not. */
function withNull({ good, bad }: Field): readonly Json[] {
  return bad.includes("null") ? good : [...good, "null"];
}

let server: LlamaServer;
beforeAll(async () => {
  server = await startServer({ defaults: { maxTokens: 8 } });
});
afterAll(() => server.close());

describe.each(subjects)("$within of $path", ({ dialect, path, within, fields, body, status }) => {
  const route = dialect.routes.find((one): one is GenerationRoute => one.path === path && one.kind === "generation")!;

  const optionsOf = (values: Readonly<Record<string, Json>>): Partial<RequestOptions> =>
    route.prepare(route.body.parse(JSON.parse(body(objectOf(values))))).request.options;

  async function expectAnswer(values: Readonly<Record<string, Json>>, bad: readonly string[]): Promise<void> {
    const sent = body(objectOf(values));
    const response = await post(server, path, sent);
    const answer = (await response.json()) as { error?: string };
    expect([response.status, answer], sent).toEqual([bad.length > 0 ? status : 200, expect.anything()]);
    if (bad.length === 0) return;
    expectShape(dialect.problem, answer);
    expect(
      bad.some((name) => answer.error?.includes(`${within}.${name}`)),
      `${sent} ${answer.error}`,
    ).toBe(true);
  }

  test("are all in this list", () => {
    const { properties } = z.toJSONSchema(route.body, { io: "input", unrepresentable: "any" });
    const { anyOf = [] } = properties?.[within] as { anyOf?: { properties?: object }[] };
    const names = Object.keys(anyOf.find((schema) => schema.properties !== undefined)?.properties ?? {});
    expect(names.length).toBeGreaterThan(5);
    expect(Object.keys(fields)).toEqual(expect.arrayContaining(names));
  });

  test.each(Object.entries(fields))("%s", async (name, { good, bad, option }) => {
    for (const value of bad) await expectAnswer({ [name]: value }, [name]);
    for (const value of withNull({ good, bad })) {
      await expectAnswer({ [name]: value }, []);
      const expected = value === "null" ? {} : option?.(JSON.parse(value) as never);
      expect(optionsOf({ [name]: value })).toMatchObject(expected ?? {});
    }
  });

  test("several at once are answered where all are good, and refused by one's name where not", async () => {
    const one = fc.constantFrom(...Object.entries(fields)).chain(([name, field]) => {
      const bad = field.bad.map((value) => ({ name, value, isGood: false }));
      const good = withNull(field).map((value) => ({ name, value, isGood: true }));
      const mostly = fc.constantFrom(...(good.length > 0 ? good : bad));
      return fc.oneof({ weight: 3, arbitrary: mostly }, { weight: 1, arbitrary: fc.constantFrom(...bad) });
    });
    const several = fc.uniqueArray(one, { selector: ({ name }) => name, minLength: 2, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(several, async (values) => {
        const names = values.map(({ name }) => name);
        fc.pre(!names.includes("mirostat") || !names.some((name) => name.startsWith("mirostat_")));
        const bad = values.filter(({ isGood }) => !isGood).map(({ name }) => name);
        await expectAnswer(Object.fromEntries(values.map(({ name, value }) => [name, value])), bad);
      }),
      { numRuns: 80, interruptAfterTimeLimit: 60_000 },
    );
  });
});

test.each(["mirostat_tau", "mirostat_eta"])("%s beside mirostat has its effect", async (name) => {
  for (const value of from0) {
    const options = `{"mirostat":2,"num_predict":3,"${name}":${value}}`;
    const sent = `{"model":"smollm2","prompt":"a","raw":true,"stream":false,"options":${options}}`;
    const response = await post(server, "/api/generate", sent);
    expect([response.status, await response.json()], sent).toEqual([200, expect.anything()]);
  }
});
