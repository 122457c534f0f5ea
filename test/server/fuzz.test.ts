import { connect } from "node:net";

import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";

import type { LlamaServer } from "../../src/server/index.js";
import { post, startServer } from "./support.js";

let server: LlamaServer;

beforeAll(async () => {
  server = await startServer({ defaults: { maxTokens: 2 } });
});
afterAll(() => server.close());

const posts = [
  "/v1/chat/completions",
  "/v1/completions",
  "/v1/responses",
  "/v1/messages",
  "/v1/messages/count_tokens",
  "/v1/embeddings",
  "/api/chat",
  "/api/generate",
  "/api/embed",
  "/api/embeddings",
  "/api/show",
  "/",
  "/generate",
  "/generate_stream",
  "/tokenize",
  "/detokenize",
  "/apply-template",
];
const allowed = new Set([200, 400, 401, 403, 404, 405, 413, 415, 422, 429, 503]);
const fields =
  "messages prompt inputs input content tokens dimensions truncate encoding_format model stream stop seed n max_tokens temperature top_p logprobs logit_bias tools tool_choice response_format format options parameters system grammar json_schema echo suffix keep_alive metadata".split(
    " ",
  );

const nearMessage = fc.record(
  { role: fc.constantFrom("user", "assistant", "system", "tool", "x"), content: fc.oneof(fc.string(), fc.jsonValue()) },
  { requiredKeys: [] },
);
/** Few tokens each, so that what is accepted is soon answered. */
const nearBody = fc
  .dictionary(fc.constantFrom(...fields), fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.string(), fc.integer()), {
    maxKeys: 6,
  })
  .chain((body) =>
    fc.record({
      body: fc.constant(body),
      messages: fc.option(fc.array(nearMessage, { maxLength: 3 })),
      small: fc.boolean(),
    }),
  )
  .map(({ body, messages, small }) => ({
    ...body,
    ...(messages === null ? {} : { messages }),
    ...(small ? { max_tokens: 2 } : {}),
    n: 1,
  }));

test("no body is a crash, a hang or an unlisted status", { timeout: 120_000 }, async () => {
  const bodies = fc.oneof(
    { weight: 3, arbitrary: nearBody.map((body) => JSON.stringify(body)) },
    { weight: 1, arbitrary: fc.json({ maxDepth: 6 }) },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...posts), bodies, async (path, body) => {
      const response = await post(server, path, body, { signal: AbortSignal.timeout(20_000) });
      const text = await response.text();
      expect(allowed, `${path} ${response.status} ${text.slice(0, 300)}`).toContain(response.status);
      if (response.status >= 400) expect(JSON.parse(text)).toHaveProperty("error");
    }),
    { numRuns: 400, interruptAfterTimeLimit: 60_000 },
  );
});

test("no nesting is too deep to be refused", async () => {
  const deep = "[".repeat(50_000) + "]".repeat(50_000);
  for (const body of [
    deep,
    `{"messages":${deep}}`,
    `{"messages":[{"role":"user","content":"x"}],"chat_template_kwargs":{"a":${deep}}}`,
  ]) {
    expect((await post(server, "/v1/chat/completions", body)).status).toBe(400);
  }
  let schema: object = { type: "string" };
  for (let level = 0; level < 3000; level++) schema = { type: "array", items: schema };
  const body = { messages: [{ role: "user", content: "x" }], json_schema: schema };
  expect((await post(server, "/v1/chat/completions", body)).status).toBe(400);
});

test("no headers or bytes are a crash or a hang", { timeout: 60_000 }, async () => {
  const line = fc.string({ unit: "binary", maxLength: 80 });
  // Bytes that are no HTTP never get to the routes.
  const names = ["Content-Type", "Authorization", "X-Api-Key", "Origin", "Host", "Accept", "X-Request-Id", "Expect"];
  const value = fc.string({
    unit: fc.integer({ min: 32, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 80,
  });
  const header = fc.tuple(fc.constantFrom(...names), value);
  const requests = fc.oneof(
    fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
    fc
      .tuple(
        fc.constantFrom("GET", "POST", "PUT", "HEAD", "OPTIONS", "BREW"),
        fc.constantFrom("/health", ...posts),
        fc.oneof(fc.array(header, { maxLength: 4 }), fc.array(fc.tuple(line, line), { maxLength: 4 })),
      )
      .map(([method, path, headers]) =>
        Buffer.from(
          `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${headers.map(([a, b]) => `${a}: ${b}\r\n`).join("")}\r\n`,
          "latin1",
        ),
      ),
  );
  await fc.assert(
    fc.asyncProperty(requests, async (bytes) => {
      const status = await statusOf(bytes);
      if (status !== undefined) expect(status).toSatisfy((code: number) => code < 500 || code === 503 || code === 505);
    }),
    { numRuns: 300, interruptAfterTimeLimit: 30_000 },
  );
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
});

/** Of the first answer to these bytes, or undefined where the server closes without one. */
function statusOf(bytes: Buffer): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = connect(server.port, "127.0.0.1", () => socket.end(bytes));
    socket.setTimeout(10_000, () => {
      socket.destroy();
      reject(new Error(`No answer and no end within 10 s to ${JSON.stringify(bytes.toString("latin1"))}`));
    });
    socket.setEncoding("latin1").on("data", (data: string) => (received += data));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      const [, status] = /^HTTP\/1\.1 (\d+)/.exec(received) ?? [];
      resolve(status === undefined ? undefined : Number(status));
    });
  });
}
