import { mkdtemp, writeFile } from "node:fs/promises";
import { createServer as createHttp } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, describe, expect, test } from "vitest";

import { modelNeeds } from "../../src/server/models/model-needs.js";
import type { ContentFilter, LlamaServer, ServerOptions } from "../../src/server/index.js";
import { createFetchHandler, createServer } from "../../src/server/index.js";
import { smollm2, tinyModel } from "../support/models.js";
import { start } from "../cli/command.js";
import { eventsOf, france, idle, metric, post, startServer } from "./support.js";

const servers: LlamaServer[] = [];
async function make(options: Partial<ServerOptions> = {}): Promise<LlamaServer> {
  const server = await startServer(options);
  servers.push(server);
  return server;
}
afterAll(() => Promise.all(servers.map((server) => server.close({ deadlineMs: 0 }))));

const chat = "/v1/chat/completions";
const endless = { messages: france, ignore_eos: true, max_tokens: 2000, temperature: 0 };

describe("limits", () => {
  test("429 with Retry-After when the queue is full, 503 when the time is up", async () => {
    const context = { contextSize: 2048, sequences: 1, queueSize: 1 };
    const server = await make({ models: { source: await smollm2(), name: "smollm2", context }, timeLimitMs: 1500 });
    const running = [1, 2, 3].map(() => post(server, chat, endless));
    const statuses = (await Promise.all(running)).map(({ status }) => status).sort();
    expect(statuses).toEqual([429, 503, 503]);
    const refused = (await Promise.all(running)).find(({ status }) => status === 429)!;
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    await idle(server);
  });

  test("429 with Retry-After beyond maxRequests, whatever they wait for, and room again afterwards", async () => {
    const server = await make({ maxRequests: 1 });
    const leave = new AbortController();
    const running = post(server, chat, endless, { signal: leave.signal });
    // A request of ours that came first would have the only room, and the endless one the 429.
    await expect.poll(() => metric(server, 'llama_native_requests_running{model="smollm2"}')).toBe(1);
    expect((await post(server, "/tokenize", { content: "x" })).status).toBe(429);
    const refused = await post(server, chat, { messages: france });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    leave.abort();
    await expect(running).rejects.toThrow("abort");
    await expect.poll(async () => (await post(server, "/tokenize", { content: "x" })).status).toBe(200);
  });

  test("the library's own time limit of a request is told as one", async () => {
    const server = await make({ defaults: { timeout: 300 } });
    const response = await post(server, chat, endless);
    expect([response.status, await response.text()]).toEqual([503, expect.stringContaining("300")]);
  });

  test("a client that takes nothing is given up, and its request with it", async () => {
    const models = { source: await smollm2(), name: "smollm2", context: { contextSize: 2048 } };
    await using handler = createFetchHandler({ models, stallMs: 300 });
    await handler.ready;
    const init = { method: "POST", headers: { "content-type": "application/json" } };
    const response = await handler(`http://model${chat}`, {
      ...init,
      body: JSON.stringify({ ...endless, stream: true }),
    });
    await expect
      .poll(async () => (await handler("http://model/metrics")).text(), { timeout: 10_000 })
      .toContain('requests_abandoned_total{route="POST /v1/chat/completions"} 1');
    await expect(response.text()).rejects.toThrow("takes nothing");
  });

  test("signs of life while a stream is silent", async () => {
    const server = await make({ keepAliveMs: 20 });
    const content = "One two three four five six seven. ".repeat(40);
    const response = await post(server, chat, { messages: [{ role: "user", content }], max_tokens: 2, stream: true });
    const text = await response.text();
    expect(text).toContain(": keep-alive\n\n");
    expect(eventsOf(text).length).toBeGreaterThan(2);
  });
});

describe("models", () => {
  test("are loaded on demand, and the least recently used goes when memory is needed, or after a while", async () => {
    const context = { contextSize: 512 };
    const names = ["a", "b"];
    const sources = await Promise.all([tinyModel(), tinyModel("q4_k_m", 2)]);
    const { bytes } = await modelNeeds(sources[0], { context }, Infinity, []);
    const models = sources.map((source, index) => ({ source, name: names[index]!, context }));
    const server = await createServer({
      port: 0,
      models,
      loadOnDemand: true,
      memoryBudgetBytes: bytes * 1.9,
      idleUnloadMs: 1000,
    });
    servers.push(server);
    const loaded = async (): Promise<string[]> => {
      const { models: list } = (await (await fetch(`${server.url}/api/ps`)).json()) as { models: { name: string }[] };
      return list.map(({ name }) => name);
    };
    expect(await loaded()).toEqual([]);
    for (const model of names) {
      const response = await post(server, "/v1/completions", { model, prompt: "x", max_tokens: 2 });
      expect(response.status).toBe(200);
      expect(await loaded()).toEqual([model]);
    }
    await expect.poll(loaded, { timeout: 5000 }).toEqual([]);
    const both = await Promise.all(
      [...names, ...names].map((model) => post(server, "/v1/completions", { model, prompt: "x", max_tokens: 2 })),
    );
    expect(both.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  test("one that does not fit the budget, or is missing, is an error that says so", async () => {
    const server = await createServer({
      port: 0,
      models: await tinyModel(),
      loadOnDemand: true,
      memoryBudgetBytes: 1e6,
    });
    servers.push(server);
    const response = await post(server, "/v1/completions", { prompt: "x" });
    expect([response.status, await response.text()]).toEqual([503, expect.stringContaining("memory budget")]);
    const missing = await createServer({ port: 0, models: "/nowhere/model.gguf" });
    servers.push(missing);
    await expect(missing.ready).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
  });

  test("one that cannot be loaded is the server's fault, and the log has why", async () => {
    const logged: Record<string, unknown>[] = [];
    const note = (facts: object): void => void logged.push(facts as Record<string, unknown>);
    const log = { info: note, warn: note, error: note };
    const err = expect.objectContaining({ code: "TEMPLATE" }) as unknown;
    const models = { source: await smollm2(), template: "{% if %}" };
    const demanded = await createServer({ port: 0, models, log, loadOnDemand: true });
    servers.push(demanded);
    expect((await post(demanded, chat, { messages: france })).status).toBe(500);
    expect(logged).toContainEqual(expect.objectContaining({ err }));
    logged.length = 0;
    const server = await createServer({ port: 0, models, log });
    servers.push(server);
    await expect(server.ready).rejects.toMatchObject({ code: "TEMPLATE" });
    expect(logged).toContainEqual({ err });
    const refused = await post(server, chat, { messages: france });
    expect([refused.status, await refused.text()]).toEqual([503, expect.stringContaining("the log has why")]);
  });
});

describe("the content filter", () => {
  const filter: ContentFilter = {
    request: ({ messages = [] }) =>
      messages.some(({ content }) => JSON.stringify(content).includes("forbidden")) ? { block: "not here" } : undefined,
    output: () => {
      let seen = "";
      return (piece) => {
        seen += piece;
        return seen.includes("Tokyo") ? null : piece;
      };
    },
  };

  test("refuses requests and ends answers, whole and in a stream", async () => {
    const server = await make({ contentFilter: filter });
    const refused = await post(server, chat, { messages: [{ role: "user", content: "forbidden" }] });
    expect([refused.status, await refused.json()]).toMatchObject([
      400,
      { error: { code: "content_filter", message: "not here" } },
    ]);
    const whole = await (await post(server, chat, { messages: france, temperature: 0 })).json();
    expect(whole).toMatchObject({
      choices: [{ finish_reason: "content_filter", message: { content: expect.not.stringContaining("Tokyo") } }],
    });
    const text = await (await post(server, chat, { messages: france, temperature: 0, stream: true })).text();
    expect(text).not.toContain("Tokyo");
    expect(text).toContain('"finish_reason":"content_filter"');
    expect((await post(server, chat, { messages: france, logprobs: true })).status).toBe(400);
  });

  test("sees what else the model reads: an answer that was begun, tools, and values for the template", async () => {
    const seen: unknown[] = [];
    const watch: ContentFilter = {
      request: ({ messages, tools, templateVariables }) => {
        seen.push({ messages, tools, templateVariables });
        return { block: "seen" };
      },
    };
    const server = await make({ contentFilter: watch });
    const begun = [
      { role: "user", content: "Hello" },
      { role: "assistant", content: "forbidden" },
    ];
    const refused = await post(server, "/v1/messages", { messages: begun, max_tokens: 4 });
    expect(refused.status).toBe(400);
    const tools = [{ type: "function", function: { name: "f", description: "forbidden" } }];
    const chat_template_kwargs = { note: "forbidden" };
    await post(server, chat, { messages: begun.slice(0, 1), tools, chat_template_kwargs });
    expect(seen).toMatchObject([
      { messages: begun, tools: [] },
      { messages: begun.slice(0, 1), tools, templateVariables: chat_template_kwargs },
    ]);
  });

  test("lets Text Generation Inference's streams pass piece by piece, and refuses their tokens' details", async () => {
    const redact: ContentFilter = { output: () => (piece) => piece.replaceAll(/[aeiou]/g, "*") };
    const server = await make({ contentFilter: redact });
    const parameters = { max_new_tokens: 12 };
    const inputs = "The capital of France is";
    for (const [path, body] of [
      ["/generate_stream", { inputs, parameters }],
      ["/generate", { inputs, parameters, stream: true }],
    ] as const) {
      const response = await post(server, path, body);
      expect(response.status).toBe(200);
      const events = eventsOf(await response.text()) as {
        token: { id: number; text: string };
        generated_text: string | null;
      }[];
      const text = events.map(({ token }) => token.text).join("");
      expect(text).toMatch(/^[^aeiou]*\*[^aeiou]*$/);
      expect(events.at(-1)).toMatchObject({ generated_text: text, details: { finish_reason: "length" } });
      expect(events.length).toBeGreaterThan(2);
      expect(new Set(events.map(({ token }) => token.id))).toEqual(new Set([0]));
    }
    const details = await post(server, "/generate", { inputs, parameters: { ...parameters, details: true } });
    expect([details.status, await details.text()]).toEqual([422, expect.stringContaining("log-probabilities")]);
    expect((await post(server, "/generate", { inputs, parameters })).status).toBe(200);
  });

  test("is told to Text Generation Inference's clients as an error where it ends an answer", async () => {
    const server = await make({ contentFilter: filter });
    const body = { inputs: "The capital of Japan is the city of", parameters: { max_new_tokens: 20 } };
    const error = { error: "The content filter ended the answer", error_type: "generation" };
    const whole = await post(server, "/generate", body);
    expect([whole.status, await whole.json()]).toEqual([400, error]);
    const stream = await post(server, "/generate_stream", body);
    const events = eventsOf(await stream.text());
    expect([stream.status, events.at(-1)]).toEqual([200, error]);
    expect(JSON.stringify(events)).not.toMatch(/Tokyo|finish_reason/);
  });

  test("what it throws is a 500 with an id that the log has", async () => {
    const logged: Record<string, unknown>[] = [];
    const note = (facts: object): void => void logged.push(facts as Record<string, unknown>);
    const broken: ContentFilter = {
      request: () => {
        throw new Error("secret");
      },
    };
    const server = await make({ contentFilter: broken, log: { info: note, warn: note, error: note } });
    const response = await post(server, chat, { messages: france }, { headers: { "x-request-id": "trace-1" } });
    const text = await response.text();
    expect([response.status, text]).toEqual([500, expect.stringContaining("trace-1")]);
    expect(text).not.toContain("secret");
    expect(logged).toContainEqual(
      expect.objectContaining({ requestId: "trace-1", err: expect.objectContaining({ message: "secret" }) }),
    );
  });
});

test("requests get a 503 while the models are loaded, and health does not", async () => {
  const server = await createServer({ port: 0, models: await smollm2() });
  servers.push(server);
  const [answer, ready, health] = await Promise.all([
    post(server, chat, { messages: france }),
    fetch(`${server.url}/ready`),
    fetch(`${server.url}/health`),
  ]);
  expect([answer.status, ready.status, health.status]).toEqual([503, 503, 200]);
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  await server.ready;
  expect((await fetch(`${server.url}/ready`)).status).toBe(200);
});

test("penalties keep an answer from repeating its prompt", async () => {
  const server = await make();
  const text = async (fields: object): Promise<string> => {
    const body = { prompt: "ha ha ha ha ha ha ha ha ha ha", max_tokens: 8, temperature: 0, ...fields };
    const { choices } = (await (await post(server, "/v1/completions", body)).json()) as { choices: { text: string }[] };
    return choices[0]?.text ?? "";
  };
  expect(await text({})).toMatch(/^( ha){8}$/);
  expect(await text({ frequency_penalty: 2 })).not.toMatch(/( ha){2}/);
  expect(await text({ repeat_penalty: 2 })).not.toMatch(/( ha){2}/);
});

test("metrics count what happened", async () => {
  const server = await make();
  await (await post(server, chat, { messages: france, max_tokens: 5, temperature: 0 })).text();
  await (await post(server, chat, { messages: france, max_tokens: 5, temperature: 0 })).text();
  await (await post(server, chat, "{")).text();
  const label = '{model="smollm2"}';
  expect(await metric(server, `llama_native_generated_tokens_total${label}`)).toBe(10);
  expect(await metric(server, `llama_native_cached_tokens_total${label}`)).toBeGreaterThan(20);
  expect(await metric(server, `llama_native_cache_hits${label}`)).toBeGreaterThan(0);
  expect(await metric(server, 'llama_native_requests_total{route="POST /v1/chat/completions",status="200"}')).toBe(2);
  expect(await metric(server, 'llama_native_requests_total{route="POST /v1/chat/completions",status="400"}')).toBe(1);
  // Requests that are no model's count for none.
  expect(await (await fetch(`${server.url}/metrics`)).text()).not.toContain('model=""');
});

test("a prompt that is answered several times counts once", async () => {
  const server = await make();
  const label = '{model="smollm2"}';
  const counts = async (n: number): Promise<[prompt: number, generated: number]> => {
    await (await post(server, chat, { messages: france, max_tokens: 2, temperature: 0, n, ignore_eos: true })).text();
    return [
      await metric(server, `llama_native_prompt_tokens_total${label}`),
      await metric(server, `llama_native_generated_tokens_total${label}`),
    ];
  };
  const [prompt, generated] = await counts(1);
  expect(await counts(3)).toEqual([2 * prompt, 4 * generated]);
});

test("CORS for those who were named", async () => {
  const server = await make({ cors: ["http://page.example"], apiKeys: ["key"] });
  const preflight = { origin: "http://page.example", "access-control-request-method": "POST" };
  const response = await fetch(server.url + chat, { method: "OPTIONS", headers: preflight });
  expect(response.headers.get("access-control-allow-origin")).toBe("http://page.example");
  const other = await fetch(server.url + chat, {
    method: "OPTIONS",
    headers: { ...preflight, origin: "http://b.example" },
  });
  expect(other.headers.get("access-control-allow-origin")).toBeNull();
});

test("pages that may use the server may read ids and when to try again", async () => {
  const server = await make({ cors: ["http://page.example"], apiKeys: ["key"], maxRequests: 1 });
  const headers = { origin: "http://page.example", authorization: "Bearer key" };
  const leave = new AbortController();
  const ask = (path: string, body: object, init: RequestInit = {}): Promise<Response> =>
    post(server, path, body, { ...init, headers });
  const answers = [await ask(chat, { messages: france, max_tokens: 1 }), await ask("/v1/messages", { messages: [] })];
  const running = await ask(chat, { ...endless, stream: true }, { signal: leave.signal });
  answers.push(running, await ask(chat, { messages: france }));
  leave.abort();
  expect(answers.map(({ status }) => status)).toEqual([200, 400, 200, 429]);
  for (const answer of answers) {
    expect(answer.headers.get("access-control-allow-origin")).toBe("http://page.example");
    const exposed = answer.headers.get("access-control-expose-headers")?.split(",");
    expect(exposed).toEqual(["x-request-id", "request-id", "retry-after", "x-should-retry"]);
    expect(answer.headers.get("x-request-id")).not.toBeNull();
  }
  expect([answers[1]!.headers.has("request-id"), answers[3]!.headers.has("retry-after")]).toEqual([true, true]);
});

test("a port in use is told, and bad options are refused", async () => {
  const taken = createHttp().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.on("listening", resolve));
  const { port } = taken.address() as AddressInfo;
  await expect(createServer({ port, models: "smollm2", loadOnDemand: true })).rejects.toMatchObject({
    code: "EADDRINUSE",
  });
  taken.close();
  await expect(createServer({ models: [] })).rejects.toMatchObject({ code: "INVALID_OPTION" });
  await expect(createServer({ models: "smollm2", port: 99999 })).rejects.toMatchObject({ code: "INVALID_OPTION" });
  for (const wrong of [
    { contentFilter: { requests: () => undefined } as ContentFilter },
    { contentFilter: { request: "no" } as unknown as ContentFilter },
    { models: { source: "smollm2", load: { gpuLayer: 1 } as object } },
    { models: { source: "smollm2", context: { contextSize: -1 } } },
    { models: { source: "smollm2", context: { batchSize: 6 } } }, // fewer than the server's own sequences
  ]) {
    const options = { models: "smollm2", loadOnDemand: true, port: 0, ...wrong };
    await expect(createServer(options)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  }
});

describe("llama-native serve", () => {
  test("SIGTERM under load: running answers end, new ones get a 503, and the exit code is 0", async () => {
    const { child, outcome, written } = start([
      "serve",
      await smollm2(),
      "--port",
      "0",
      "--alias",
      "mistral",
      "--context-size",
      "2048",
    ]);
    await expect.poll(() => written.stderr, { timeout: 30_000 }).toContain('"msg":"ready"');
    const url = /Listening at (http:\S+)\/v1/.exec(written.stdout)![1]!;
    const request = (body: object): Promise<Response> =>
      fetch(url + chat, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const running = [20, 30, 40].map(async (tokens, index) => {
      const response = await request({ model: "mistral", ...endless, max_tokens: tokens, stream: index === 1 });
      return response.text();
    });
    await expect
      .poll(async () => (await fetch(`${url}/metrics`)).text(), { timeout: 10_000 })
      .toMatch(/requests_running\{.*\} 3/);
    child.kill("SIGTERM");
    await expect.poll(async () => (await fetch(`${url}/ready`)).status, { timeout: 2000 }).toBe(503);
    expect((await request(endless)).status).toBe(503);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const texts = await Promise.all(running);
    expect(JSON.parse(texts[0]!)).toMatchObject({ usage: { completion_tokens: 20 } });
    expect(texts[1]).toContain("data: [DONE]");
    expect(JSON.parse(texts[2]!)).toMatchObject({ usage: { completion_tokens: 40 } });
    expect((await outcome).code).toBe(0);
  });

  test("--content-filter takes a module", async () => {
    const path = join(await mkdtemp(join(tmpdir(), "filter-")), "filter.mjs");
    await writeFile(path, 'export default { request: () => ({ block: "not today" }) };');
    const args = ["--port", "0", "--context-size", "512", "--content-filter", path];
    const { child, outcome, written } = start(["serve", await smollm2(), ...args]);
    await expect.poll(() => written.stderr, { timeout: 30_000 }).toContain('"msg":"ready"');
    const url = /Listening at (http:\S+)\/v1/.exec(written.stdout)![1]!;
    const headers = { "content-type": "application/json" };
    const response = await fetch(url + chat, { method: "POST", headers, body: JSON.stringify({ messages: france }) });
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining("not today")]);
    child.kill("SIGTERM");
    expect((await outcome).code).toBe(0);
  });

  describe("--print-config", () => {
    const printed = async (...flags: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> => {
      const { outcome, child } = start(["serve", "smollm2", "--print-config", ...flags], {
        LLAMA_NATIVE_API_KEY: undefined,
      });
      child.stdin.end();
      return outcome;
    };

    test("tells the settings that were given, but no keys", async () => {
      const given = ["--port", "9000", "--temperature", "0", "--logit-bias", "5=-inf", "--dry-multiplier", "0.5"];
      given.push("--json-schema", '{"type":"object"}');
      const { code, stdout } = await printed(...given, "--api-key", "hush", "--context-size", "1024");
      expect(code).toBe(0);
      expect(stdout).not.toContain("hush");
      expect(JSON.parse(stdout)).toMatchObject({
        port: 9000,
        apiKeys: ["…"],
        models: [{ source: "smollm2", context: { contextSize: 1024 } }],
        defaults: {
          temperature: 0,
          logitBias: { 5: "-inf" },
          dry: { multiplier: 0.5, base: 1.75 },
          jsonSchema: { type: "object" },
        },
      });
    });

    test("tells what holds by default", async () => {
      const { stdout } = await printed();
      const config = JSON.parse(stdout) as Record<string, unknown>;
      expect(config).toMatchObject({
        host: "127.0.0.1",
        port: 8000,
        cors: [],
        allowedHosts: ["localhost", "127.0.0.1"],
        apiKeys: [],
        maxBodyBytes: 16 * 2 ** 20,
        timeLimitMs: 600_000,
        keepAliveMs: 10_000,
        stallMs: 30_000,
        maxRequests: 512,
        loadOnDemand: false,
        memoryBudgetBytes: null,
        idleUnloadMs: 0,
        drainMs: 30_000,
        logLevel: "info",
        contentFilter: null,
        defaults: {
          temperature: 0.8,
          topK: 40,
          topP: 0.95,
          minP: 0.05,
          maxTokens: null,
          seed: null,
          cachePrompt: true,
        },
        models: [
          {
            name: null,
            aliases: [],
            template: null,
            load: { gpu: null, gpuLayers: "auto", useMlock: false, repack: true, metadataOverrides: {} },
            context: { contextSize: 8192, sequences: 8, queueSize: 256, batchSize: 512, flashAttention: "auto" },
          },
        ],
      });
    });

    test("takes every page's origin with *", async () => {
      const { stdout } = await printed("--cors-origin", "*");
      expect(JSON.parse(stdout)).toMatchObject({ cors: "*" });
    });

    test("takes a key from each line of a file, and no words of a comment", async () => {
      const path = join(await mkdtemp(join(tmpdir(), "keys-")), "keys");
      await writeFile(path, "# my key\n one\r\n\ntwo\n");
      const { stdout } = await printed("--api-key-file", path);
      expect(JSON.parse(stdout)).toMatchObject({ apiKeys: ["…", "…"] });
      await writeFile(path, "one\nno key\n");
      const { code, stderr } = await printed("--api-key-file", path);
      expect([code, stderr]).toEqual([2, expect.stringContaining("line 2")]);
    });

    test("refuses a variable for keys that has none, and drafts, for which a server has no model", async () => {
      const { outcome, child } = start(["serve", "smollm2", "--print-config"], { LLAMA_NATIVE_API_KEY: " ," });
      child.stdin.end();
      expect(await outcome).toMatchObject({ code: 2, stderr: expect.stringContaining("LLAMA_NATIVE_API_KEY") });
      const { code, stderr } = await printed("--draft", "8");
      expect([code, stderr]).toEqual([2, expect.stringContaining("--draft")]);
    });

    test("refuses what the server would refuse", async () => {
      const { code, stderr } = await printed("--port", "99999");
      expect([code, stderr]).toEqual([2, expect.stringContaining("--port")]);
    });
  });
});
