import { readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { packageDir, run } from "./command.js";
import { Terminal } from "./terminal.js";

const { version } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as { version: string };
const commands = ["chat", "complete", "serve", "tokenize", "inspect", "doctor", "build"];

describe("llama-native", () => {
  it.each(["--version", "-V"])("tells its version and llama.cpp's: %s", async (flag) => {
    const expected = { code: 0, stdout: `llama-native ${version} (llama.cpp 0.5.0)\n`, stderr: "" };
    expect(await run([flag])).toEqual(expected);
  });

  it.each([["--help"], ["-h"], ["help"]])("lists its commands with examples: %s", async (flag) => {
    const { code, stdout, stderr } = await run([flag]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
    expect(stdout).toContain("\nExamples:\n  $ llama-native chat smollm2 --system ");
  });

  it("shows its help where no command is given", async () => {
    const { code, stdout, stderr } = await run([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("Usage: llama-native");
  });

  it.each(commands)("has help for %s", async (command) => {
    const { code, stdout } = await run([command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Usage: llama-native ${command} \\[options\\]`));
    expect(await run(["help", command])).toEqual({ code: 0, stdout, stderr: "" });
  });

  it("has a flag for each of the library's options", async () => {
    const { stdout } = await run(["chat", "--help"]);
    const flags = ["--max-tokens", "--temperature", "--top-k", "--seed", "--stop", "--grammar", "--grammar-file"];
    for (const flag of [
      ...flags,
      "--context-size",
      "--threads",
      "--kv-type",
      "--gpu-layers",
      "--no-mmap",
      "--system",
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${flag} `, "m"));
    }
  });

  it("is coloured at a terminal, unless NO_COLOR is set", async () => {
    // Node takes terminals for colourless where these say so, as on build machines.
    const capable = { CI: undefined, TERM: "xterm-256color" };
    const coloured = new Terminal(["doctor"], capable);
    expect(await coloured.exitCode).toBe(0);
    expect(coloured.raw).toContain("\u001b[1mReady");
    const plain = new Terminal(["doctor"], { ...capable, NO_COLOR: "1" });
    expect(await plain.exitCode).toBe(0);
    expect(plain.raw).not.toContain("\u001b");
    expect((await run(["doctor"])).stdout).not.toContain("\u001b");
  });
});
