import { connect } from "node:net";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { LlamaServer } from "../../src/server/index.js";
import { france, post, startServer } from "./support.js";

let server: LlamaServer;

beforeAll(async () => {
  server = await startServer({ maxBodyBytes: 100_000, apiKeys: ["one", "two"] });
});
afterAll(() => server.close());

const key = { authorization: "Bearer two" };
const chat = "/v1/chat/completions";
const send = (body: unknown, headers: Record<string, string> = {}, path = chat): Promise<Response> =>
  post(server, path, body, { headers: { ...key, ...headers } });

async function problem(
  response: Response,
): Promise<{ status: number; code: string; param: string | null; message: string }> {
  const { error } = (await response.json()) as { error: { code: string; param: string | null; message: string } };
  return { status: response.status, code: error.code, param: error.param, message: error.message };
}

describe("a bad body is a 400 with the field's path", () => {
  const messages = france;
  test.each([
    ["not JSON", "{", null],
    ["no body", "", null],
    ["an array", [], null],
    ["no messages", {}, "messages"],
    ["empty messages", { messages: [] }, "messages"],
    ["a wrong role", { messages: [{ role: "robot", content: "x" }] }, "messages[0].role"],
    ["a wrong content", { messages: [{ role: "user", content: 3 }] }, "messages[0].content"],
    [
      "a wrong part",
      { messages: [{ role: "user", content: [{ type: "text", text: 3 }] }] },
      "messages[0].content[0].text",
    ],
    [
      "an image",
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
      "messages[0].content[0].type",
    ],
    ["a temperature", { messages, temperature: 3 }, "temperature"],
    ["a misspelt field", { messages, temprature: 1 }, "temprature"],
    ["what cannot be honoured", { messages, web_search_options: {} }, "web_search_options"],
    ["a stored answer", { messages, store: true }, "store"],
    ["logprobs of nothing", { messages, top_logprobs: 2 }, "top_logprobs"],
    ["a bias of no token", { messages, logit_bias: { "99999999": 1 } }, "logit_bias[99999999]"],
    ["a token that is not there", { messages, stop_token_ids: [1, 999_999] }, "stop_token_ids[1]"],
    ["a sampler twice", { messages, samplers: ["top_k", "top_k"] }, "samplers"],
    ["a template's own variable", { messages, chat_template_kwargs: { messages: 1 } }, "chat_template_kwargs.messages"],
    ["a broken grammar", { messages, grammar: "root ::= (" }, "grammar"],
    ["options of a stream without one", { messages, stream_options: { include_usage: true } }, "stream_options"],
    [
      "a tool's schema that no grammar keeps",
      {
        messages,
        tool_choice: "required",
        tools: ["a", "b"].map((name) => ({
          type: "function",
          function: { name, parameters: { type: "object", properties: { x: { type: "string", pattern: "(?=x)" } } } },
        })),
      },
      "tools[0].function.parameters.properties.x.pattern",
    ],
    [
      "the same in a strict tool that may be called",
      {
        messages,
        tools: [false, true].map((strict) => ({
          type: "function",
          function: { name: `f_${strict}`, strict, parameters: { type: "object", minProperties: 2 } },
        })),
      },
      "tools[1].function.parameters.minProperties",
    ],
    [
      "a schema that no grammar keeps",
      { messages, json_schema: { type: "object", minProperties: 2 } },
      "json_schema.minProperties",
    ],
    ["a tool that is not there", { messages, tool_choice: "required" }, "tool_choice"],
    ["two limits", { messages, max_tokens: 2, max_completion_tokens: 3 }, "max_tokens"],
  ])("%s", async (_, body, param) => {
    const found = await problem(await send(body));
    expect(found).toMatchObject({ status: 400, param });
  });

  test("a schema that no grammar keeps is nobody's concern in a tool that is not to be called", async () => {
    const named = (name: string, parameters: object): object => ({ type: "function", function: { name, parameters } });
    const tools = [named("a", { type: "string", pattern: "(?=x)" }), named("b", { type: "object", properties: {} })];
    const tool_choice = { type: "function", function: { name: "b" } };
    const { status } = await send({ messages, tools, tool_choice, max_tokens: 40 });
    expect(status).toBe(200);
  });

  test.each([
    [{ prompt: [999_999] }, "prompt[0]"],
    [{ prompt: [[1], [2, 999_999]] }, "prompt[1][1]"],
  ])("tokens that the vocabulary lacks: %j", async (body, param) => {
    expect(await problem(await send(body, {}, "/v1/completions"))).toMatchObject({ status: 400, param });
  });

  test("a prompt that is too long, with both counts", async () => {
    const response = await send({ messages: [{ role: "user", content: "word ".repeat(9000) }] });
    const { error } = (await response.json()) as { error: Record<string, unknown> };
    expect(response.status).toBe(400);
    expect(error).toMatchObject({ code: "context_length_exceeded", n_ctx: 4096 });
    expect(error["n_prompt_tokens"]).toBeGreaterThan(9000);
    const streamed = await send({ stream: true, messages: [{ role: "user", content: "word ".repeat(9000) }] });
    expect(streamed.status).toBe(400);
    const echoed = { stream: true, echo: true, prompt: "word ".repeat(9000) };
    expect((await send(echoed, {}, "/v1/completions")).status).toBe(400);
  });
});

describe("statuses", () => {
  test("401 without a right key, of either kind, but for health", async () => {
    for (const headers of [
      {},
      { authorization: "Bearer three" },
      { authorization: "Basic two" },
      { "x-api-key": "on" },
    ]) {
      const response = await post(server, chat, { messages: france }, { headers });
      expect(await problem(response)).toMatchObject({ status: 401, code: "invalid_api_key" });
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
      expect((await post(server, "/", { inputs: "x" }, { headers })).status).toBe(401); // only its GET is open
    }
    expect((await fetch(`${server.url}/v1/models`, { headers: { "x-api-key": "one" } })).status).toBe(200);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect((await fetch(`${server.url}/metrics`)).status).toBe(401);
  });

  test("404 for an unknown model, with the names that exist, and for an unknown path", async () => {
    const found = await problem(await send({ model: "gpt-9", messages: france }));
    expect(found).toMatchObject({
      status: 404,
      code: "model_not_found",
      param: "model",
      message: expect.stringContaining("smollm2"),
    });
    expect(await problem(await send({}, {}, "/v1/nothing"))).toMatchObject({ status: 404, code: "not_found" });
  });

  test("405 with the methods there are", async () => {
    const response = await fetch(`${server.url}${chat}`, { headers: key });
    expect(response.headers.get("allow")).toBe("POST");
    expect(await problem(response)).toMatchObject({ status: 405 });
  });

  test("413 for a large body, declared or not", async () => {
    const body = JSON.stringify({ messages: [{ role: "user", content: "x".repeat(200_000) }] });
    expect((await send(body)).status).toBe(413);
    const stream = new Blob([body]).stream();
    const init = {
      method: "POST",
      body: stream,
      duplex: "half",
      headers: { ...key, "content-type": "application/json" },
    };
    expect((await fetch(server.url + chat, init as RequestInit)).status).toBe(413);
  });

  test("415 for what a web page may send unasked", async () => {
    const body = JSON.stringify({ messages: france });
    expect((await send(body, { "content-type": "text/plain" })).status).toBe(415);
    const form = { "content-type": "application/x-www-form-urlencoded", origin: "http://evil.example" };
    expect((await send(body, form, "/api/chat")).status).toBe(415);
  });

  test("403 for a foreign host name, so that no web page can point its own here", async () => {
    expect(await raw(`GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n${auth}\r\n\r\n`)).toMatch(/^HTTP\/1.1 403 /);
    expect(await raw(`GET /v1/models HTTP/1.1\r\nHost: localhost:1\r\n${auth}\r\n\r\n`)).toMatch(/^HTTP\/1.1 200 /);
    expect(await raw(`GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n${auth}\r\n\r\n`)).toMatch(/^HTTP\/1.1 200 /);
  });

  test("no CORS unless it is asked for", async () => {
    const response = await fetch(`${server.url}/health`, { headers: { origin: "http://page.example" } });
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("every answer has a request id: the client's, where it is a sane one", async () => {
    const given = await fetch(`${server.url}/health`, { headers: { "x-request-id": "mine-1" } });
    expect(given.headers.get("x-request-id")).toBe("mine-1");
    const made = await fetch(`${server.url}/health`, { headers: { "x-request-id": "a b<" } });
    expect(made.headers.get("x-request-id")).toMatch(/^[\da-f-]{36}$/);
  });
});

const auth = "Authorization: Bearer one\r\nConnection: close";

function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = connect(server.port, "127.0.0.1", () => socket.write(text));
    socket.setEncoding("utf8").on("data", (data: string) => (received += data));
    socket.on("close", () => resolve(received)).on("error", reject);
  });
}
