import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

import { smollm2 } from "../support/models.js";
import { ctrlC, ctrlD, Terminal } from "./terminal.js";

const folder = mkdtempSync(join(tmpdir(), "llama-native-chat-"));
const saved = join(folder, "conversation.json");

let model: string;
let terminal: Terminal | undefined;

beforeAll(async () => {
  model = await smollm2();
});

afterEach(async () => {
  await terminal?.close();
});

afterAll(() => rmSync(folder, { recursive: true }));

async function open(...args: string[]): Promise<Terminal> {
  terminal = new Terminal(["chat", model, "--temperature", "0", "--threads", "1", ...args]);
  await terminal.waitForPrompt();
  return terminal;
}

const helpful = ["--system", "You are a helpful assistant."];
const endless = ["--ignore-eos"];

function readSaved(): { system: string | null; messages: { role: string; content: string }[] } {
  return JSON.parse(readFileSync(saved, "utf8")) as ReturnType<typeof readSaved>;
}

describe("chat at a terminal", () => {
  it("answers, keeps the conversation, and leaves at the end of input", async () => {
    const chat = await open(...helpful, "--stats");
    const first = await chat.ask("What is the capital of Japan?");
    expect(first).toContain("\nThe capital of Japan is Tokyo.\r\n");
    expect(first).toMatch(/prompt \d+ tokens \(0 cached\) at [\d.]+ tok\/s; generated 7 at [\d.]+ tok\/s/);
    const second = await chat.ask("And of Italy?");
    expect(second).toContain("Rome");
    const cached = Number(/\((\d+) cached\)/.exec(second)?.[1]);
    expect(cached).toBeGreaterThanOrEqual(27); // the whole first prompt
    chat.type(ctrlD);
    expect(await chat.exitCode).toBe(0);
  });

  it("answers what was entered before the end of input, and leaves the shell a line of its own", async () => {
    const chat = await open(...helpful);
    chat.type(`What is the capital of Japan?\r${ctrlD}`);
    await chat.waitFor("Tokyo");
    await chat.waitForPrompt();
    chat.type(ctrlD);
    expect(await chat.exitCode).toBe(0);
    expect(chat.raw).toMatch(/> [^>]*\r\n$/);
  });

  it("goes on without its oldest turns with --context-shift", async () => {
    const chat = await open("--context-size", "96", "--context-shift", "--max-tokens", "16");
    for (const city of ["Rome", "Paris", "Tokyo", "Oslo", "Lima"]) {
      expect(await chat.ask(`Say something about the city of ${city}.`)).not.toContain("llama-native:");
    }
  });

  it("stops an answer at Ctrl-C and keeps what came of it; leaves at the next", async () => {
    const chat = await open(...endless);
    chat.enter("Count to a thousand.");
    await chat.waitFor("\n");
    await chat.waitFor(" ");
    await chat.waitFor(" ");
    chat.type(ctrlC);
    await chat.waitForPrompt();
    await chat.ask(`/save ${saved}`);
    const [question, answer] = readSaved().messages;
    expect(question).toEqual({ role: "user", content: "Count to a thousand." });
    expect(answer?.role).toBe("assistant");
    expect(answer?.content).not.toBe("");
    chat.type(ctrlC);
    expect(await chat.exitCode).toBe(0);
  });

  it("discards what is being typed at Ctrl-C", async () => {
    const chat = await open(...helpful);
    chat.type("Tell me a story");
    await chat.waitFor("story");
    chat.type(ctrlC);
    await chat.waitForPrompt();
    expect(await chat.ask("What is the capital of Japan?")).toContain("Tokyo");
    chat.enter("/exit");
    expect(await chat.exitCode).toBe(0);
  });

  it("takes the lines of a paste as one message, and lines that end with a backslash", async () => {
    const chat = await open("--max-tokens", "1");
    chat.type("first\rsecond\r\rlast of the paste");
    await chat.waitFor("paste");
    await chat.ask("");
    chat.enter("more \\");
    await chat.waitFor("… ");
    await chat.ask("and more");
    await chat.ask(`/save ${saved}`);
    const questions = readSaved().messages.filter(({ role }) => role === "user");
    expect(questions.map(({ content }) => content)).toEqual(["first\nsecond\n\nlast of the paste", "more \nand more"]);
  });

  it("shows, changes and removes the system text", async () => {
    const chat = await open();
    expect(await chat.ask("/system")).toContain("There is no system text.");
    expect(await chat.ask("/system You are a helpful assistant.")).toContain(
      "System text: You are a helpful assistant.",
    );
    expect(await chat.ask("What is the capital of Japan?")).toContain("Tokyo");
    expect(await chat.ask("/system -")).toContain("There is no system text.");
  });

  it("saves, resets and loads the conversation", async () => {
    const chat = await open(...helpful);
    const answer = await chat.ask("What is the capital of Japan?");
    expect(answer).toContain("Tokyo");
    expect(await chat.ask(`/save ${saved}`)).toContain(`Saved 2 messages to ${saved}`);
    expect(readSaved()).toEqual({
      version: 1,
      system: "You are a helpful assistant.",
      messages: [
        { role: "user", content: "What is the capital of Japan?" },
        { role: "assistant", content: "The capital of Japan is Tokyo." },
      ],
    });
    expect(await chat.ask("/reset")).toContain("begins anew");
    await chat.ask("/save " + join(folder, "empty.json"));
    expect(JSON.parse(readFileSync(join(folder, "empty.json"), "utf8"))).toMatchObject({ messages: [] });
    await chat.ask("/system Something else");
    expect(await chat.ask(`/load ${saved}`)).toContain(`Loaded 2 messages from ${saved}`);
    expect(await chat.ask("/system")).toContain("You are a helpful assistant.");
    expect(await chat.ask("And of Italy?")).toContain("Rome");
  });

  it("ends in good order when it is told to while it waits", async () => {
    const chat = await open();
    chat.terminate();
    expect(await chat.exitCode).toBe(143);
  });

  it("is for chat alone", async () => {
    for (const args of [
      ["complete", model],
      ["tokenize", model],
      ["chat", model, "--json"],
    ]) {
      terminal = new Terminal(args);
      expect(await terminal.exitCode).toBe(2);
      expect(terminal.raw).toMatch(/^llama-native: [^\n]*-p[^\n]*\r\n$/);
    }
  });

  it("goes on after a mistake", async () => {
    writeFileSync(join(folder, "other.json"), '{"version": 2}');
    const chat = await open(...helpful, "--context-size", "64");
    expect(await chat.ask("/bogus")).toContain("llama-native: There is no command /bogus; /help lists them");
    expect(await chat.ask("/reset now")).toContain("/reset takes nothing after it");
    expect(await chat.ask("/save")).toContain("/save needs the name of a file");
    expect(await chat.ask("/load /nonexistent")).toContain("Cannot read /nonexistent: no such file or directory");
    expect(await chat.ask(`/load ${join(folder, "other.json")}`)).toContain(
      "Expected 1 for version of the saved session",
    );
    chat.enter("word ".repeat(100)); // readline draws the prompt again where a line is longer than the terminal
    await chat.waitFor("llama-native: The prompt has ");
    expect(await chat.waitForPrompt()).toContain("64");
    expect(await chat.ask("What is the capital of Japan?")).toContain("Tokyo");
    expect(await chat.ask("/help")).toMatch(/\/reset +forget/);
    expect(chat.raw).not.toContain("    at ");
  });
});
