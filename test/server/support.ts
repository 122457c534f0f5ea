import OpenAI from "openai";
import type { z } from "zod";
import { expect } from "vitest";

import type { LlamaServer, ServerOptions } from "../../src/server/index.js";
import { createServer } from "../../src/server/index.js";
import { smollm2 } from "../support/models.js";

/** A server with SmolLM2 on a free port, once its model is loaded. */
export async function startServer(options: Partial<ServerOptions> = {}): Promise<LlamaServer> {
  const context = { contextSize: 4096, sequences: 4 };
  const models = [{ source: await smollm2(), name: "smollm2", context }];
  const server = await createServer({ port: 0, models, ...options });
  await server.ready;
  return server;
}

/** The official client, for this server, without tries of its own. */
export function openaiClient(server: LlamaServer): OpenAI {
  return new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "local", maxRetries: 0 });
}

export const france = [
  { role: "system" as const, content: "You are a helpful assistant." },
  { role: "user" as const, content: "What is the capital of Japan?" },
];

export async function post(
  server: LlamaServer,
  path: string,
  body: unknown,
  init: RequestInit = {},
): Promise<Response> {
  return fetch(server.url + path, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...init,
    headers: { "content-type": "application/json", ...(init.headers as Record<string, string> | undefined) },
  });
}

/** The data of server-sent events, without what ends them. */
export function eventsOf(text: string): unknown[] {
  const lines = text.split("\n").filter((line) => line.startsWith("data: ") && line !== "data: [DONE]");
  return lines.map((line) => JSON.parse(line.slice("data: ".length)) as unknown);
}

/** Fails with zod's own words where a value is not of the schema. */
export function expectShape<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const { success, error, data } = schema.safeParse(value);
  expect(error?.issues ?? []).toEqual([]);
  if (!success) throw error;
  return data;
}

/** Waits until the engine has nothing to do. */
export async function idle(server: LlamaServer, within = 5000): Promise<void> {
  await expect
    .poll(async () => metric(server, 'llama_native_requests_running{model="smollm2"}'), { timeout: within })
    .toBe(0);
}

export async function metric(server: LlamaServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${name} `));
  return line === undefined ? Number.NaN : Number(line.slice(name.length + 1));
}
