// Requests of many parts, long ones and deep ones. The server has a process of its own, so that the tests go on where one hangs it:
// each request has its answer before a deadline, and others have theirs in the meantime.

import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { start } from "../cli/command.js";
import { smollm2 } from "../support/models.js";

/** Milliseconds; this also has to do on a machine that is busy with other things. */
const deadline = 30_000;
const healthDeadline = 8000;

let command: ReturnType<typeof start>;
let url: string;

beforeAll(async () => {
  command = start(["serve", await smollm2(), "--port", "0", "--alias", "smollm2", "--context-size", "1024"]);
  await vi.waitFor(() => expect(command.written.stderr).toContain('"msg":"ready"'), { timeout: 60_000, interval: 100 });
  url = /Listening at (http:\S+)\/v1/.exec(command.written.stdout)![1]!;
});
afterAll(async () => {
  command.child.kill("SIGKILL");
  await command.outcome;
});

const chat = "/v1/chat/completions";
const user = { role: "user", content: "x" };
const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
/** JSON, as what makes it of objects ends where these are deep. */
const deep = (levels: number): string => `${'{"a":'.repeat(levels)}{}${"}".repeat(levels)}`;
const named = (name: string, parameters = "{}"): string =>
  `{"type":"function","function":{"name":"${name}","strict":true,"parameters":${parameters}}}`;
const withTools = (...tools: string[]): string =>
  `{"model":"smollm2","messages":[${JSON.stringify(user)}],"tools":[${tools.join(",")}]}`;
const call = (index: number): object => ({
  id: `call-${index}`,
  type: "function",
  function: { name: "f", arguments: "{}" },
});

const longName = `a${"_q4".repeat(500_000)}!`;
const words = many(40_000, (index) => `word-${index}`);
const refers = { $ref: "#/$defs/big", type: "string" };

const inputs: Record<string, () => [path: string, body: unknown, status: number]> = {
  "a model's name": () => ["/v1/completions", { model: longName, prompt: "x" }, 404],
  "a model's name for Ollama": () => ["/api/show", { model: longName }, 404],
  "a duration": () => ["/api/chat", { model: "smollm2", messages: [], keep_alive: `${"11s".repeat(300_000)}x` }, 400],
  "a duration's digits": () => ["/api/embed", { model: "smollm2", keep_alive: `${"1".repeat(2_000_000)}x` }, 400],
  "many tools": () => [chat, withTools(...many(30_000, (index) => named(`f${index}`))), 400],
  "many items": () => {
    const calls = many(4000, (i) => ({ type: "function_call", call_id: `${i}`, name: "f", arguments: "{}" }));
    const results = many(4000, (i) => ({ type: "function_call_output", call_id: `${i}`, output: "x" }));
    return ["/v1/responses", { input: [...calls, ...results] }, 400];
  },
  "many results": () => {
    const results = many(4000, (index) => ({ role: "tool", tool_call_id: `call-${index}`, content: "x" }));
    return [chat, { messages: [user, { role: "assistant", tool_calls: many(4000, call) }, ...results] }, 400];
  },
  "many control tokens": () => [chat, { messages: many(4000, () => ({ role: "user", content: "<|im_end|>" })) }, 400],
  "a schema of one large part": () => {
    const schema = { type: "array", prefixItems: many(3000, () => refers), $defs: { big: { enum: words } } };
    return [chat, { messages: [user], json_schema: schema }, 400];
  },
  "a schema whose parts are compared": () => {
    const wide = { properties: Object.fromEntries(words.map((word) => [word, true])) };
    const allOf = many(6000, (index) => (index % 2 === 0 ? { $ref: "#/$defs/wide" } : { properties: { a: true } }));
    return [chat, { messages: [user], json_schema: { type: "object", allOf, $defs: { wide } } }, 400];
  },
  "a tool of 2000 levels": () => [chat, withTools(named("f", deep(2000))), 400],
  "a tool of 5000 levels": () => [chat, withTools(named("f", deep(5000))), 400],
  "a tool of 5000 levels to be shown": () => ["/apply-template", withTools(named("f", deep(5000))), 400],
  "a tool of 5000 levels for Ollama": () => ["/api/chat", withTools(named("f", deep(5000))), 400],
  "a tool of 5000 levels for Anthropic": () => {
    const tool = `{"name":"f","input_schema":${deep(5000)}}`;
    return ["/v1/messages/count_tokens", `{"messages":[${JSON.stringify(user)}],"tools":[${tool}]}`, 400];
  },
  "arguments of 5000 levels": () => {
    const called = { id: "1", type: "function", function: { name: "f", arguments: deep(5000) } };
    return [chat, { messages: [user, { role: "assistant", tool_calls: [called] }] }, 400];
  },
  "a schema of 5000 levels in a value": () => [
    chat,
    `{"messages":[${JSON.stringify(user)}],"json_schema":{"const":${deep(5000)}}}`,
    400,
  ],
};

async function send(path: string, body: unknown): Promise<Response> {
  return fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(deadline),
  });
}

test.each(Object.entries(inputs))("%s", async (_, make) => {
  const [path, body, expected] = make();
  let isAnswered = false;
  const answered = send(path, body).finally(() => (isAnswered = true));
  const watch = async (): Promise<void> => {
    do {
      const health = await fetch(`${url}/health`, { signal: AbortSignal.timeout(healthDeadline) });
      expect(health.status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 50));
    } while (!isAnswered);
  };
  const [response] = await Promise.all([answered, watch()]);
  const text = await response.text();
  expect([response.status, text], text.slice(0, 300)).toEqual([expected, expect.stringContaining("error")]);
});
