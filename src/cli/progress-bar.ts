import type { WriteStream } from "node:tty";

const barWidth = 24;
/** What is done sooner needs no bar. In milliseconds. */
const patience = 200;
const clearLine = "\r\u001b[K";

/** One line on a terminal that is overwritten as the work goes on, and gone in the end; elsewhere nothing. */
export class ProgressBar {
  readonly #label: string;
  readonly #stream: WriteStream;
  readonly #start = Date.now();
  #shown = "";

  constructor(label: string, stream: WriteStream = process.stderr) {
    this.#label = label;
    this.#stream = stream;
  }

  /** Whether this stream is a terminal that shows it. */
  get isShown(): boolean {
    return this.#stream.isTTY && process.env["TERM"] !== "dumb";
  }

  /** `fraction` goes from 0 to 1; `note` stands behind the bar in place of the percentage. */
  show(fraction: number, note?: string, label = this.#label): void {
    if (!this.isShown || Date.now() - this.#start < patience) return;
    const done = Math.round(fraction * barWidth);
    const percent = `${String(Math.floor(fraction * 100)).padStart(3)}%`;
    const line = `${label} [${"#".repeat(done)}${".".repeat(barWidth - done)}] ${note ?? percent}`;
    if (line === this.#shown) return;
    this.#stream.write(clearLine + line.slice(0, Math.max(20, (this.#stream.columns || 80) - 1)));
    this.#shown = line;
  }

  clear(): void {
    if (this.#shown !== "") this.#stream.write(clearLine);
    this.#shown = "";
  }
}
