import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { resolveModel } from "../../src/hub/index.js";
import { start } from "../cli/command.js";
import { Terminal } from "../cli/terminal.js";
import type { HubServer } from "../support/hub/hub-server.js";
import { sha256, startHub } from "../support/hub/hub-server.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox } from "../support/hub/sandbox.js";

const mebibyte = 1 << 20;
const content = randomBytes(24 * mebibyte + 4321);
const source = "hf:owner/model-GGUF";

let hub: HubServer;
let sandbox: Sandbox;

beforeEach(async () => {
  hub = await startHub({ "owner/model-GGUF": { files: { "model.Q4_K_M.gguf": content } } });
  hub.behave = (request) => (request.storage ? { rate: 4 * mebibyte } : undefined);
  sandbox = await enterSandbox(hub.url);
});

afterEach(async () => {
  await hub.close();
  await sandbox.leave();
});

const pull = (...more: string[]) => start(["pull", source, ...more], sandbox.env);

async function sent(bytes: number): Promise<void> {
  while (hub.sentBytes() < bytes) await sleep(5);
}

describe("a process that downloads", () => {
  it("may be killed at ten points, and the next one goes on from there", async () => {
    for (let kill = 1; kill <= 10; kill++) {
      const { child, outcome } = pull();
      await sent((content.length * kill) / 12);
      child.kill("SIGKILL");
      expect((await outcome).code).toBe(null);
    }
    const { outcome } = pull();
    const { code, stdout } = await outcome;
    expect(code).toBe(0);
    expect((await readFile(stdout.trim())).equals(content)).toBe(true);
    // Of each killed process what was on its way and a quarter of a second's work comes again, at 16 MiB a second.
    expect(hub.sentBytes()).toBeLessThan(content.length + 10 * 5 * mebibyte);
    const blobs = join(sandbox.folder, "huggingface", "hub", "models--owner--model-GGUF", "blobs");
    expect(await readdir(blobs)).toEqual([sha256(content)]);
  });

  it("shares its download with another that wants the same", async () => {
    const [first, second] = [pull(), pull()];
    const outcomes = await Promise.all([first.outcome, second.outcome]);
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0]);
    expect(outcomes[0].stdout).toBe(outcomes[1].stdout);
    expect((await readFile(outcomes[0].stdout.trim())).equals(content)).toBe(true);
    expect(hub.sentBytes()).toBe(content.length);
    expect(outcomes.map(({ stderr }) => stderr).join("")).toContain("Another process is downloading model.Q4_K_M.gguf");
  });

  it("is followed by the one that waits for it when it is killed", async () => {
    const first = pull();
    await sent(2 * mebibyte);
    const second = pull();
    while (!second.written.stderr.includes("Another process")) await sleep(20);
    first.child.kill("SIGKILL");
    const { code, stdout } = await second.outcome;
    expect(code).toBe(0);
    expect((await readFile(stdout.trim())).equals(content)).toBe(true);
    expect(hub.sentBytes()).toBeLessThan(content.length + 10 * mebibyte);
  });

  it.each(["SIGINT", "SIGTERM"] as const)("stops at %s and leaves what the next one goes on with", async (signal) => {
    const { child, outcome } = pull();
    await sent(8 * mebibyte);
    child.kill(signal);
    const { code, stdout, stderr } = await outcome;
    expect({ code, stdout }).toEqual({ code: signal === "SIGINT" ? 130 : 143, stdout: "" });
    expect(stderr).not.toContain("llama-native:");
    const before = hub.sentBytes();
    const path = await resolveModel(source);
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(hub.sentBytes() - before).toBeLessThan(content.length - 7 * mebibyte);
  });

  it("tells its progress in plain lines where there is no terminal", async () => {
    const { code, stdout, stderr } = await pull("--json").outcome;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ model: source, path: await resolveModel(source) });
    const lines = stderr.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^Downloading model\.Q4_K_M\.gguf: \S+ \w+ of 25\.2 MB/);
    expect(lines.at(-1)).toMatch(/^Checking model\.Q4_K_M\.gguf/);
    expect(stderr).not.toContain("\u001b");
  });

  it("shows a bar with rate and time left on a terminal", async () => {
    const terminal = new Terminal(["pull", source], sandbox.env);
    expect(await terminal.exitCode).toBe(0);
    const bar = /\[#+\.*\] [\d.]+ MB of 25\.2 MB, [\d.]+ [kM]B\/s, \d+ s left/;
    expect(terminal.raw).toMatch(new RegExp(`Downloading model\\.Q4_K_M\\.gguf ${bar.source}`.slice(0, 400)));
  });

  it("fails with one line that says what to do, and its code", async () => {
    hub.repositories.get("owner/model-GGUF")!.gated = true;
    const { code, stdout, stderr } = await pull().outcome;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(
      /^llama-native: owner\/model-GGUF is gated: accept its terms at \S+, then set HF_TOKEN to a token from \S+\n$/m,
    );
  });

  it("refuses what makes no sense before it asks anybody", async () => {
    const { code, stderr } = await pull("--connections", "0").outcome;
    expect(code).toBe(2);
    expect(stderr).toContain("Expected an integer from 1 to 16 for connections but received 0");
    expect(hub.requests).toEqual([]);
  });
});
