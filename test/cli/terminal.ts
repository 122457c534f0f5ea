import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

import type { RunOptions } from "./command.js";
import { commandLine, environment } from "./command.js";

const relay = fileURLToPath(new URL("./terminal.py", import.meta.url));

/** How the line that waits for input begins, as the terminal gets it. */
const promptMark = "\u001b[0J> ";

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
    const collect = (text: string): void => {
      this.#written += text;
    };
    this.#child = spawn("python3", [relay, ...commandLine(args)], {
      env: environment({ TERM: "xterm-256color", ...env }),
      stdio: "pipe",
    });
    this.#child.stdout.setEncoding("utf8").on("data", collect);
    this.#child.stderr.setEncoding("utf8").on("data", collect);
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
    const end = Date.now() + seconds * 1000;
    let at = this.#written.indexOf(text, this.#seen);
    while (at < 0) {
      if (Date.now() > end) throw new Error(`Waited for ${JSON.stringify(text)} in ${JSON.stringify(this.#written)}`);
      await sleep(20);
      at = this.#written.indexOf(text, this.#seen);
    }
    const shown = this.#written.slice(this.#seen, at + text.length);
    this.#seen = at + text.length;
    return stripVTControlCharacters(shown);
  }

  async waitForPrompt(): Promise<string> {
    return this.waitFor(promptMark);
  }

  /** Enters a line and returns what is shown until the next prompt. */
  async ask(line: string): Promise<string> {
    this.enter(line);
    return this.waitForPrompt();
  }

  terminate(): void {
    this.#child.kill("SIGTERM");
  }

  /** Ends it in any case. */
  async close(): Promise<void> {
    this.#child.stdin.destroy();
    this.#child.kill("SIGKILL");
    await this.exitCode;
  }
}
