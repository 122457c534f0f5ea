import { afterAll, beforeAll, expect, test } from "vitest";

import type { LlamaServer } from "../../src/server/index.js";
import { createServer } from "../../src/server/index.js";
import { smollm2 } from "../support/models.js";
import { france, post } from "./support.js";

let server: LlamaServer;

beforeAll(async () => {
  const context = { contextSize: 2048, sequences: 2, queueSize: 3 };
  const models = [{ source: await smollm2(), name: "smollm2", context }];
  server = await createServer({ port: 0, models, defaults: { seed: 7, temperature: 1, maxTokens: 12 } });
  await server.ready;
});
afterAll(() => server.close({ deadlineMs: 0 }));

async function answer(path: string, body: object): Promise<Record<string, unknown>> {
  return (await (await post(server, path, body)).json()) as Record<string, unknown>;
}

test("a seed of -1 draws another one each time, whatever the server's default", async () => {
  const ask = async (seed?: number): Promise<string> =>
    JSON.stringify(
      (await answer("/v1/completions", { prompt: "One day", ...(seed === undefined ? {} : { seed }) }))["choices"],
    );
  expect(await ask()).toBe(await ask());
  const drawn = new Set([await ask(-1), await ask(-1), await ask(-1)]);
  expect(drawn.size).toBeGreaterThan(1);
});

test("a schema for all answers leaves room for a request's own grammar", async () => {
  const source = await smollm2();
  const jsonSchema = {
    type: "object",
    properties: { ok: { type: "boolean" } },
    required: ["ok"],
    additionalProperties: false,
  };
  const other = await createServer({ port: 0, models: source, defaults: { temperature: 0, jsonSchema } });
  try {
    const ask = async (more: object): Promise<unknown> => {
      const response = await post(other, "/v1/chat/completions", { messages: france, ...more });
      const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
      return choices[0]?.message.content;
    };
    await other.ready;
    expect(JSON.parse((await ask({})) as string)).toEqual({ ok: expect.any(Boolean) as boolean });
    expect(await ask({ grammar: 'root ::= "Paris"' })).toBe("Paris");
  } finally {
    await other.close({ deadlineMs: 0 });
  }
});

test("a grammar and a schema for all answers are refused before there is a server", async () => {
  const defaults = { grammar: 'root ::= "x"', jsonSchema: {} };
  await expect(createServer({ port: 0, models: "/nowhere/model.gguf", defaults })).rejects.toMatchObject({
    code: "INVALID_OPTION",
    message: expect.stringContaining("no grammar beside a jsonSchema") as string,
  });
});

test("num_predict of -1 has no limit, whatever the server's default", async () => {
  const ask = (options: object): Promise<Record<string, unknown>> =>
    answer("/api/generate", { model: "smollm2", prompt: "Count from 1 to 40.", stream: false, options });
  expect(await ask({ temperature: 0 })).toMatchObject({ eval_count: 12, done_reason: "length" });
  expect((await ask({ temperature: 0, num_predict: -1 }))["eval_count"]).toBeGreaterThan(12);
});

test("more answers than ever fit are a bad request, not a full queue", async () => {
  const ask = (n: number): Promise<Response> =>
    post(server, "/v1/completions", { prompt: ["a", "b"], n, max_tokens: 1 });
  const refused = await ask(3);
  expect([refused.status, await refused.text()]).toEqual([400, expect.stringMatching(/6 answers at once.* 5 at most/)]);
  expect((await ask(2)).status).toBe(200);
});

test("/apply-template shows tools as a request would have them", async () => {
  const tools = [{ type: "function", function: { name: "find_the_weather", parameters: { type: "object" } } }];
  expect(JSON.stringify(await answer("/apply-template", { messages: france, tools }))).toContain("find_the_weather");
});
