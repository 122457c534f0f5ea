import { createServer as createHttp } from "node:http";
import type { AddressInfo } from "node:net";

import { afterEach, expect, test } from "vitest";

import { readGgufFile } from "../../src/model/gguf-header.js";
import { modelNeeds } from "../../src/server/models/model-needs.js";
import type { LlamaServer, ServerOptions } from "../../src/server/index.js";
import { createServer } from "../../src/server/index.js";
import { tinyModel } from "../support/models.js";
import { post } from "./support.js";

const context = { contextSize: 512 };
const servers: LlamaServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close({ deadlineMs: 0 })));
});

/** A server of two models, each loaded when it is asked for. */
async function make(options: Partial<ServerOptions> = {}, sources: Record<string, string> = {}): Promise<LlamaServer> {
  const named = { a: await tinyModel(), b: await tinyModel("q4_k_m", 2), ...sources };
  const models = Object.entries(named).map(([name, source]) => ({ name, source, context }));
  const server = await createServer({ port: 0, models, loadOnDemand: true, ...options });
  servers.push(server);
  return server;
}

async function loaded(server: LlamaServer): Promise<string[]> {
  const { models } = (await (await fetch(`${server.url}/api/ps`)).json()) as { models: { name: string }[] };
  return models.map(({ name }) => name);
}

test("Ollama's keep_alive of 0 unloads and says so, and holds for that load alone", async () => {
  const server = await make({ idleUnloadMs: 0 });
  const ask = async (body: object): Promise<unknown> => (await post(server, "/api/generate", body)).json();
  expect(await ask({ model: "a", stream: false })).toMatchObject({ done: true, done_reason: "load" });
  expect(await ask({ model: "a", stream: false, keep_alive: 0 })).toMatchObject({ done: true, done_reason: "unload" });
  await expect.poll(() => loaded(server)).toEqual([]);
  expect(await ask({ model: "a", keep_alive: "0" })).toMatchObject({ done: true, done_reason: "unload" });
  await expect.poll(() => loaded(server)).toEqual([]);
  await ask({ model: "a", prompt: "x", stream: false, options: { num_predict: 1 } });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await loaded(server)).toEqual(["a"]);
  const wrong = await post(server, "/api/chat", { model: "a", messages: [], keep_alive: "5d" });
  expect([wrong.status, await wrong.json()]).toEqual([400, { error: expect.stringMatching(/keep_alive.*"1h30m"/) }]);
});

test("Ollama's keep_alive of 0 loads no model only to unload it", async () => {
  const { bytes } = await modelNeeds(await tinyModel(), { context }, Infinity, []);
  const server = await make({ memoryBudgetBytes: bytes * 1.9 });
  await post(server, "/api/generate", { model: "a", stream: false });
  for (const stream of [false, true]) {
    const answer = await (await post(server, "/api/generate", { model: "b", stream, keep_alive: 0 })).json();
    expect(answer).toMatchObject({ model: "b", done: true, done_reason: "unload" });
    expect(await loaded(server)).toEqual(["a"]);
  }
});

test("a model is found by the name in its file before it is loaded, and loaded by it", async () => {
  const { metadata } = await readGgufFile(await tinyModel());
  const name = String(metadata.get("general.name"));
  const server = await make();
  const found = await fetch(`${server.url}/v1/models/${encodeURIComponent(name)}`);
  expect([found.status, await found.json()]).toMatchObject([200, { id: "a", meta: null }]);
  expect(await loaded(server)).toEqual([]);
  const answered = await post(server, "/v1/completions", { model: name, prompt: "x", max_tokens: 1 });
  expect([answered.status, await loaded(server)]).toEqual([200, ["a"]]);
  expect((await fetch(`${server.url}/v1/models/another`)).status).toBe(404);
});

test("a model that was loaded with the server expires so long after its load", async () => {
  const before = Date.now();
  const server = await make({ loadOnDemand: false, idleUnloadMs: 60_000 });
  await server.ready;
  const { models } = (await (await fetch(`${server.url}/api/ps`)).json()) as { models: { expires_at: string }[] };
  expect(models).toHaveLength(2);
  for (const { expires_at: at } of models) {
    expect(Date.parse(at)).toBeGreaterThanOrEqual(before + 60_000);
    expect(Date.parse(at)).toBeLessThanOrEqual(Date.now() + 60_000);
  }
});

test("a model that steady requests keep in use makes room for another that is asked for", async () => {
  const { bytes } = await modelNeeds(await tinyModel(), { context }, Infinity, []);
  const server = await make({ memoryBudgetBytes: bytes * 1.9 });
  const statuses: number[] = [];
  const ask = async (model: string): Promise<void> => {
    const body = { model, prompt: "x", max_tokens: 40, ignore_eos: true };
    const signal = AbortSignal.timeout(40_000);
    statuses.push((await post(server, "/v1/completions", body, { signal })).status);
  };
  let isOver = false;
  const steady = [0, 1, 2, 3, 4, 5, 6, 7].map(async (client) => {
    await new Promise((resolve) => setTimeout(resolve, 30 * client)); // one is always under way
    while (!isOver) await ask("a");
  });
  await expect.poll(() => statuses.length, { timeout: 10_000 }).toBeGreaterThan(5);
  await ask("b").finally(() => (isOver = true));
  await Promise.all(steady);
  expect(new Set(statuses)).toEqual(new Set([200]));
}, 90_000);

test("a download does not keep other models from being loaded, and ends with the server", async () => {
  const silent = createHttp(() => undefined).listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const { port } = silent.address() as AddressInfo;
  const server = await make({}, { far: `http://127.0.0.1:${port}/far.gguf` });
  const waiting = post(server, "/v1/completions", { model: "far", prompt: "x" });
  await expect.poll(() => connections(silent), { timeout: 5000 }).toBe(1);
  const near = await post(server, "/v1/completions", { model: "a", prompt: "x", max_tokens: 1 });
  expect(near.status).toBe(200);
  const closing = server.close({ deadlineMs: 100 });
  expect((await waiting).status).toBe(503);
  await closing;
  silent.closeAllConnections();
  silent.close();
});

function connections(http: ReturnType<typeof createHttp>): Promise<number> {
  return new Promise((resolve, reject) => {
    http.getConnections((error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}
