import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import type { RunOptions } from "./command.js";
import { commandLine, environment } from "./command.js";

const relay = fileURLToPath(new URL("./terminal.py", import.meta.url));

/** How the line that waits for input begins, as the terminal gets it. */
const promptMark = "\u001b[0J> ";
const escapes = /\u001b\[[0-9;?]*[A-Za-z]/g;

export const ctrlC = "\u0003";
export const ctrlD = "\u0004";

/** The command at a terminal, as a person would use it. */
export class Terminal {
  readonly exitCode: Promise<number | null>;
  readonly #child: ChildProcessWithoutNullStreams;
  #written = "";
  /** How far of that was waited for. */
  #seen = 0;

  constructor(args: readonly string[], env: RunOptions["env"] = {}) {
    this.#child = spawn("python3", [relay, ...commandLine(args)], {
      env: environment({ TERM: "xterm-256color", ...env }),
      stdio: "pipe",
    });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => (this.#written += text));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#written += text));
    this.exitCode = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", resolve);
    });
  }

  /** All that was written, escape sequences included. */
  get raw(): string {
    return this.#written;
  }

  type(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Presses Enter behind a line. */
  enter(line: string): void {
    this.type(`${line}\r`);
  }

  /** Waits until the terminal shows `text` and returns what came up to there since the last wait, as plain text. */
  async waitFor(text: string, seconds = 60): Promise<string> {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(20)) {
      const at = this.#written.indexOf(text, this.#seen);
      if (at < 0) continue;
      const shown = this.#written.slice(this.#seen, at + text.length);
      this.#seen = at + text.length;
      return shown.replace(escapes, "");
    }
    throw new Error(`The terminal did not show ${JSON.stringify(text)} but ${JSON.stringify(this.#written)}`);
  }

  async waitForPrompt(): Promise<string> {
    return this.waitFor(promptMark);
  }

  /** Enters a line and returns what is shown until the next prompt. */
  async ask(line: string): Promise<string> {
    this.enter(line);
    return this.waitForPrompt();
  }

  /** Ends it in any case. */
  async close(): Promise<void> {
    this.#child.stdin.destroy();
    this.#child.kill("SIGKILL");
    await this.exitCode;
  }
}
