// However a request ends - its filter fails or hangs, its time is up, its client reads nothing or leaves -, its work in the
// engine ends with it, and the log knows why.

import { afterEach, describe, expect, test } from "vitest";

import type { ContentFilter, FetchHandler, LlamaServer, ServerOptions } from "../../src/server/index.js";
import { createFetchHandler } from "../../src/server/index.js";
import { smollm2 } from "../support/models.js";
import { eventsOf, france, idle, metric, post, startServer } from "./support.js";

const chat = "/v1/chat/completions";
/** More than a test waits for. */
const endless = { messages: france, max_tokens: 3000, temperature: 0, ignore_eos: true, stream: true };

const opened: (LlamaServer | FetchHandler)[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close({ deadlineMs: 0 })));
});

async function make(options: Partial<ServerOptions> = {}): Promise<{ server: LlamaServer; logged: Logged[] }> {
  const { logged, log } = makeLog();
  const server = await startServer({ ...options, log });
  opened.push(server);
  return { server, logged };
}

type Logged = Record<string, unknown>;

function makeLog(): { logged: Logged[]; log: NonNullable<ServerOptions["log"]> } {
  const logged: Logged[] = [];
  const note = (facts: object): void => void logged.push(facts as Logged);
  return { logged, log: { info: note, warn: note, error: note } };
}

const hang = async (): Promise<never> => new Promise<never>(() => undefined);

describe("a content filter of streamed output", () => {
  test("that throws ends the work; the client is told an id, the log why", async () => {
    const contentFilter: ContentFilter = {
      output: () => () => {
        throw new Error("secret");
      },
    };
    const { server, logged } = await make({ contentFilter });
    const response = await post(server, chat, endless, { headers: { "x-request-id": "trace-2" } });
    const text = await response.text();
    expect(text).toContain("trace-2");
    expect(text).not.toContain("secret");
    await idle(server);
    expect(logged).toContainEqual(
      expect.objectContaining({ requestId: "trace-2", err: expect.objectContaining({ message: "secret" }) }),
    );
  });

  test("that throws in a stream of /v1/responses ends the numbers of its events with the error's", async () => {
    const contentFilter: ContentFilter = {
      output: () => (piece, last) => {
        if (last) throw new Error("secret");
        return piece;
      },
    };
    const { server } = await make({ contentFilter });
    const request = { input: "Hello", max_output_tokens: 8, temperature: 0, stream: true };
    const events = eventsOf(await (await post(server, "/v1/responses", request)).text());
    expect(events.at(-1)).toMatchObject({ type: "error" });
    expect(events.map((event) => (event as { sequence_number: number }).sequence_number)).toEqual([...events.keys()]);
    expect(events.length).toBeGreaterThan(4);
  });

  test.each([true, false])("that hangs is given up when the time is up (stream: %s)", async (stream) => {
    const { server } = await make({ contentFilter: { output: () => hang }, timeLimitMs: 500, keepAliveMs: 100 });
    const response = await post(server, chat, { ...endless, stream });
    expect(await response.text()).toContain("500 ms");
    if (!stream) expect(response.status).toBe(503);
    await idle(server);
  });
});

test("a stream that fails behind its head is told to log and metrics with what was wrong, and with what it took", async () => {
  const { server, logged } = await make({ timeLimitMs: 2000 });
  const response = await post(server, chat, endless);
  expect([response.status, await response.text()]).toEqual([200, expect.stringContaining("2000 ms")]);
  const entry = logged.find(({ path }) => path === chat);
  expect(entry).toMatchObject({ status: 200, problem: "time_limit", completionTokens: expect.any(Number) as number });
  expect(entry).not.toHaveProperty("promptTokens");
  const failed = 'llama_native_streams_failed_total{route="POST /v1/chat/completions",problem="time_limit"}';
  expect(await metric(server, failed)).toBe(1);
  const generated = await metric(server, 'llama_native_generated_tokens_total{model="smollm2"}');
  expect([generated, generated > 0]).toEqual([entry?.["completionTokens"], true]);
  // What fails before has its status, and is counted by that.
  await post(server, chat, { ...endless, messages: [] });
  expect(logged.at(-1)).toMatchObject({ status: 400, problem: "invalid_request" });
  const text = await (await fetch(`${server.url}/metrics`)).text();
  expect(text.match(/^llama_native_streams_failed_total\{/gm)).toHaveLength(1);
});

test("a content filter of requests that throws what is no error is a 500 with an id, which the log has", async () => {
  const thrown: unknown = "secret";
  const request = (): never => {
    throw thrown;
  };
  const { server, logged } = await make({ contentFilter: { request } });
  const response = await post(server, chat, { ...endless, stream: false }, { headers: { "x-request-id": "trace-3" } });
  expect([response.status, await response.json()]).toMatchObject([500, { error: { code: "internal" } }]);
  expect(logged).toContainEqual(expect.objectContaining({ requestId: "trace-3", status: 500 }));
});

test("a content filter of requests that hangs is given up when the time is up", async () => {
  const { server } = await make({ contentFilter: { request: hang }, timeLimitMs: 300 });
  const response = await post(server, chat, { ...endless, stream: false });
  expect([response.status, await response.text()]).toEqual([503, expect.stringContaining("300 ms")]);
});

test.each([chat, "/tokenize", "/api/show"])(
  "a body that never ends is given up when the time is up: %s",
  async (path) => {
    const handler = createFetchHandler({ models: await smollm2(), timeLimitMs: 300 });
    opened.push(handler);
    await handler.ready;
    const body = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("{")) });
    const headers = { "content-type": "application/json" };
    const response = await handler(`http://localhost${path}`, { method: "POST", body, headers, duplex: "half" });
    expect([response.status, await response.text()]).toEqual([503, expect.stringContaining("300 ms")]);
  },
);

test("a body may have a byte order mark, declared in length or not", async () => {
  const handler = createFetchHandler({ models: await smollm2() });
  opened.push(handler);
  await handler.ready;
  const bytes = Buffer.from(`\ufeff${JSON.stringify({ content: "x" })}`);
  for (const more of [{}, { "content-length": String(bytes.length) }]) {
    const headers = { "content-type": "application/json", ...more };
    const response = await handler("http://localhost/tokenize", { method: "POST", body: bytes, headers });
    expect(response.status).toBe(200);
  }
});

test("a body that is larger than it was declared is still refused", async () => {
  const handler = createFetchHandler({ models: await smollm2(), maxBodyBytes: 1000 });
  opened.push(handler);
  await handler.ready;
  const body = new Blob([JSON.stringify({ content: "x".repeat(2000) })]).stream();
  const headers = { "content-type": "application/json", "content-length": "20" };
  const init = { method: "POST", body, headers, duplex: "half" as const };
  expect((await handler("http://localhost/tokenize", init)).status).toBe(413);
});

interface Asked {
  response: Response;
  handler: FetchHandler;
  logged: Logged[];
}

/** A stream of a server without a socket, and so without what a socket buffers. */
async function askHandler({ signal, ...options }: Partial<ServerOptions> & { signal?: AbortSignal }): Promise<Asked> {
  const { logged, log } = makeLog();
  const models = { source: await smollm2(), name: "smollm2", context: { contextSize: 4096, sequences: 4 } };
  const handler = createFetchHandler({ models, log, ...options });
  opened.push(handler);
  await handler.ready;
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", body: JSON.stringify(endless), headers, ...(signal === undefined ? {} : { signal }) };
  return { response: await handler(`http://localhost${chat}`, init), logged, handler };
}

async function expectIdle(handler: FetchHandler): Promise<void> {
  const metrics = async (): Promise<string> => (await handler("http://localhost/metrics")).text();
  await expect.poll(metrics).toContain('llama_native_requests_running{model="smollm2"} 0');
}

describe("a stream that nobody reads", () => {
  test("ends soon after its time is up", async () => {
    const { response, handler, logged } = await askHandler({ timeLimitMs: 3000 });
    expect(response.status).toBe(200);
    await expect.poll(() => logged.filter((entry) => entry["path"] === chat), { timeout: 15_000 }).toHaveLength(1);
    await expectIdle(handler);
    await expect(response.text()).rejects.toThrow("takes nothing");
  });

  test("does not hold up the end of the server", async () => {
    const { handler } = await askHandler({});
    const started = performance.now();
    await handler.close({ deadlineMs: 200 });
    expect(performance.now() - started).toBeLessThan(4000);
  });
});

describe("a client of the fetch handler that leaves", () => {
  test.each([true, false])("is logged as one who left, not as an error (while it waits: %s)", async (waits) => {
    const controller = new AbortController();
    const { response, logged, handler } = await askHandler({ signal: controller.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    const next = waits ? reader?.read() : undefined;
    controller.abort(new Error("enough"));
    const rest = async (): Promise<void> => {
      await next;
      for (let done = false; !done;) done = (await reader?.read())?.done ?? true;
    };
    await expect(rest()).rejects.toThrow("enough");
    await expect.poll(() => logged.filter((entry) => entry["path"] === chat)).toHaveLength(1);
    const entry = logged.find(({ path }) => path === chat);
    expect(entry).toMatchObject({ abandoned: true });
    expect(entry?.["err"]).toBeUndefined();
    await expectIdle(handler);
  });
});

test("clients that leave are counted, by route, and no others", async () => {
  const { server, logged } = await make();
  const counted = 'llama_native_requests_abandoned_total{route="POST /v1/chat/completions"}';
  for (const stream of [true, false]) {
    const leaving = new AbortController();
    const left = post(server, chat, { ...endless, stream }, { signal: leaving.signal });
    if (stream) await (await left).body?.getReader().read();
    else
      await expect
        .poll(() => metric(server, 'llama_native_requests_running{model="smollm2"}'), { timeout: 20_000 })
        .toBe(1);
    leaving.abort();
    await left.catch(() => undefined);
    await idle(server);
  }
  await (await post(server, chat, { messages: france, max_tokens: 2 })).text();
  await (await post(server, chat, { ...endless, max_tokens: 2 })).text();
  await expect.poll(() => metric(server, counted)).toBe(2);
  // More than the four of those who stayed.
  expect(await metric(server, 'llama_native_generated_tokens_total{model="smollm2"}')).toBeGreaterThan(4);
  const requests = logged.filter((entry) => entry["path"] === chat);
  expect(requests.map(({ abandoned }) => abandoned)).toEqual([true, true, undefined, undefined]);
  expect(await metric(server, 'llama_native_requests_total{route="POST /v1/chat/completions",status="200"}')).toBe(3);
});

test("a client that leaves does not end others", async () => {
  const { server } = await make();
  const leaving = new AbortController();
  const left = await post(server, chat, endless, { signal: leaving.signal });
  const staying = post(server, chat, { messages: france, temperature: 0, max_tokens: 40 });
  leaving.abort();
  await left.text().catch(() => undefined);
  expect(await (await staying).text()).toContain("Tokyo");
  await idle(server);
  expect(await metric(server, 'llama_native_requests_running{model="smollm2"}')).toBe(0);
});
