import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

import { beforeAll, describe, expect, it } from "vitest";

import { model125m, smollm2 } from "../support/models.js";
import { commandLine, environment, start } from "./command.js";

let model: string;

beforeAll(async () => {
  model = await smollm2();
});

const endless = ["-p", "Once upon a time", "--ignore-eos", "--context-size", "8192", "--threads", "1"];

describe("a signal", () => {
  it.each([
    { signal: "SIGINT", code: 130 },
    { signal: "SIGTERM", code: 143 },
    { signal: "SIGHUP", code: 129 },
  ] as const)("ends a stream: $signal", async ({ signal, code }) => {
    const { child, outcome } = start(["complete", model, ...endless]);
    await once(child.stdout, "data");
    const sent = Date.now();
    child.kill(signal);
    const { code: actual, stdout, stderr } = await outcome;
    expect({ code: actual, stderr }).toEqual({ code, stderr: "" });
    expect(stdout).not.toBe("");
    expect(Date.now() - sent).toBeLessThan(5000);
  });

  it("ends the wait for a JSON document, of which nothing is printed", async () => {
    const { child, outcome } = start(["complete", model, "--json", ...endless]);
    setTimeout(() => child.kill("SIGINT"), 3000);
    expect(await outcome).toEqual({ code: 130, stdout: "", stderr: "" });
  });

  it("ends the wait for standard input", async () => {
    const { child, outcome } = start(["chat", model]);
    setTimeout(() => child.kill("SIGINT"), 1500);
    expect(await outcome).toEqual({ code: 130, stdout: "", stderr: "" });
  });

  it.runIf(process.platform === "linux")("ends a load", async () => {
    const { child, outcome } = start(["complete", await model125m(), "--check-tensors", "--no-mmap", ...endless]);
    const bytesRead = () => Number(/rchar: (\d+)/.exec(readFileSync(`/proc/${child.pid}/io`, "utf8"))![1]);
    while (bytesRead() < 40_000_000) await wait(1); // of 80 MB
    child.kill("SIGTERM");
    expect(await outcome).toEqual({ code: 143, stdout: "", stderr: "" });
  });
});

describe("standard output", () => {
  it("may be closed by its reader at any time", async () => {
    const { child, outcome, written } = start(["complete", model, ...endless]);
    await once(child.stdout, "data");
    child.stdout.destroy();
    expect(await outcome).toMatchObject({ code: 0, stderr: "" });
    expect(written.stdout).not.toBe("");
  });

  it("may be closed while much is written at once", async () => {
    const { child, outcome } = start(["inspect", model, "--json"]);
    await once(child.stdout, "data");
    child.stdout.destroy();
    expect(await outcome).toMatchObject({ code: 0, stderr: "" });
  });

  if (existsSync("/dev/full")) {
    it("ends the command where it cannot be written to", async () => {
      const { openSync, closeSync } = await import("node:fs");
      const full = openSync("/dev/full", "w");
      const [program, ...args] = commandLine(["complete", model, ...endless]);
      const child = spawn(program, args, { env: environment(), stdio: ["ignore", full, "pipe"] });
      closeSync(full);
      let stderr = "";
      child.stderr?.on("data", (data: Buffer) => {
        stderr += data.toString();
      });
      const [code] = (await once(child, "close")) as [number];
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: "llama-native: Cannot write to standard output: no space left on device\n",
      });
    });
  }
});
