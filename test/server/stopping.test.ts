// The command's end with models loaded and a download under way.

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, expect, test } from "vitest";

import { resolveModel } from "../../src/hub/index.js";
import { start } from "../cli/command.js";
import type { HubServer } from "../support/hub/hub-server.js";
import { startHub } from "../support/hub/hub-server.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox } from "../support/hub/sandbox.js";
import { tinyModel } from "../support/models.js";

const mebibyte = 1 << 20;
const content = randomBytes(24 * mebibyte + 4321);
const far = "hf:owner/model-GGUF";
const drainMs = 2000;

let models: string[];
let hub: HubServer;
let sandbox: Sandbox;

beforeEach(async () => {
  models = [await tinyModel(), await tinyModel("q4_k_m", 2)];
  hub = await startHub({ "owner/model-GGUF": { files: { "model.Q4_K_M.gguf": content } } });
  hub.behave = (request) => (request.storage ? { rate: mebibyte } : undefined);
  sandbox = await enterSandbox(hub.url);
});

afterEach(async () => {
  await hub.close();
  await sandbox.leave();
});

function serve() {
  const [first = "", second = ""] = models;
  const own = ["--port", "0", "--context-size", "512", "--load-on-demand", "--drain-ms", String(drainMs)];
  return start(["serve", first, second, far, ...own], sandbox.env);
}

test("SIGTERM with two models loaded and a download running ends in time, and keeps what was downloaded", async () => {
  const { child, outcome, written } = serve();
  await expect.poll(() => written.stdout, { timeout: 60_000 }).toContain("Listening");
  const url = /Listening at (http:\S+)\/v1/.exec(written.stdout)![1]!;
  const ask = (model: string): Promise<Response> =>
    fetch(`${url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model, prompt: "x", max_tokens: 1 }),
    });
  for (const model of models) expect((await ask(model)).status).toBe(200);
  const waiting = ask(far);
  while (hub.sentBytes() < 6 * mebibyte) await sleep(5);
  const started = performance.now();
  child.kill("SIGTERM");
  expect((await waiting).status).toBe(503);
  const { code, stderr } = await outcome;
  expect(performance.now() - started).toBeLessThan(drainMs + 8000);
  expect(code).toBe(0);
  const entries = stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(entries.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  const gone = entries.filter(({ msg }) => msg === "model unloaded").map(({ why }) => why);
  expect(gone).toEqual(["closing", "closing"]);

  // The next one goes on from there.
  hub.behave = () => undefined;
  const before = hub.sentBytes();
  expect((await readFile(await resolveModel(far))).equals(content)).toBe(true);
  expect(hub.sentBytes() - before).toBeLessThan(content.length - 5 * mebibyte);
});
