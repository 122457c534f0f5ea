import type { Interface } from "node:readline";
import { createInterface } from "node:readline";
import type { WriteStream } from "node:tty";

/** Lines of a paste follow each other faster than this; nobody types so fast. In milliseconds. */
const pasteGap = 40;

/**
 * Asks for texts on the terminal, with editing and history. Between the questions the terminal is in its normal state, so
 * that Ctrl-C is a signal then.
 */
export class LinePrompt {
  readonly #output: WriteStream;
  #history: string[] = [];

  constructor(output: WriteStream) {
    this.#output = output;
  }

  /**
   * The next text: a line, or all lines of a paste or that end with a backslash. Undefined where the user leaves: by the
   * end of input, or by Ctrl-C with nothing typed (which otherwise discards what was typed).
   */
  async ask(signal: AbortSignal): Promise<string | undefined> {
    for (;;) {
      signal.throwIfAborted();
      const answer = await this.#askOnce(signal);
      signal.throwIfAborted();
      if (answer !== "discarded") return answer?.text;
    }
  }

  #askOnce(signal: AbortSignal): Promise<{ text: string } | "discarded" | undefined> {
    const terminal = createInterface({
      input: process.stdin,
      output: this.#output,
      terminal: true,
      history: this.#history,
      prompt: "> ",
      signal,
    });
    terminal.on("history", (history) => {
      this.#history = history;
    });
    return new Promise((resolve) => {
      let closing = false;
      const close = (answer: { text: string } | "discarded" | undefined): void => {
        closing = true;
        resolve(answer);
        terminal.close();
      };
      const lines = new LineCollector(terminal, (text) => close({ text }));
      terminal.on("SIGINT", () => {
        this.#output.write("\n");
        close(lines.empty ? undefined : "discarded");
      });
      terminal.on("close", () => {
        const text = lines.end();
        if (closing) return;
        // The end of input: what the shell prints next begins a line of its own, and what was entered is answered first.
        if (!signal.aborted) this.#output.write("\n");
        resolve(text === undefined || signal.aborted ? undefined : { text });
      });
      terminal.prompt();
    });
  }
}

/** Collects lines until no more follow. */
class LineCollector {
  readonly #terminal: Interface;
  readonly #done: (text: string) => void;
  #text = "";
  #timer: NodeJS.Timeout | undefined;

  constructor(terminal: Interface, done: (text: string) => void) {
    this.#terminal = terminal;
    this.#done = done;
    terminal.on("line", (line) => {
      this.#text += `${line}\n`;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#pause(), pasteGap);
    });
  }

  get empty(): boolean {
    return this.#text === "" && this.#terminal.line === "";
  }

  /** What was entered and is not done yet; a line that was not ended is no part of it. */
  end(): string | undefined {
    clearTimeout(this.#timer);
    return this.#text === "" ? undefined : this.#text.replace(/\\?\n$/, "");
  }

  #pause(): void {
    // A paste may end within a line, which the user then ends.
    if (this.#terminal.line !== "") return;
    if (this.#text.endsWith("\\\n")) {
      this.#text = `${this.#text.slice(0, -2)}\n`;
      this.#terminal.setPrompt("… ");
      this.#terminal.prompt();
    } else {
      this.#done(this.#text.slice(0, -1));
    }
  }
}
