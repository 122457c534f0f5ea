import { CliError } from "./cli-error.js";
import { reasonOf } from "./text-file.js";

/** Standard output was closed by its reader, as `| head` does: the command has done what was wanted of it. */
export class ReaderLeft extends Error {
  override readonly name = "ReaderLeft";
}

const failure = new AbortController();

/** Aborts when standard output can take no more; its reason is {@link ReaderLeft} or what to tell the user. */
export const outputFailed: AbortSignal = failure.signal;

/** To be called once, before anything is written. */
export function watchOutput(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    const reason =
      error.code === "EPIPE"
        ? new ReaderLeft()
        : new CliError(`Cannot write to standard output: ${reasonOf(error)}`, { cause: error });
    failure.abort(reason);
  });
  process.stderr.on("error", () => undefined); // nobody reads it, and there is nowhere else to say so
}

/** Waits until all that was written has been taken, and throws where it could not be. */
export async function flushOutput(): Promise<void> {
  await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
  outputFailed.throwIfAborted();
}

/** Writes a text that comes in pieces. */
export class TextOutput {
  #last = "";

  write(text: string): void {
    if (text === "" || outputFailed.aborted) return;
    process.stdout.write(text);
    this.#last = text.slice(-1);
  }

  /** Ends the text with a newline where it has none, so that an empty text is an empty line. */
  end(): void {
    if (this.#last !== "\n") this.write("\n");
  }
}

export function writeLines(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
}

/** Typed arrays become arrays of numbers. */
export function writeJson(document: unknown): void {
  const plain = (_key: string, value: unknown): unknown =>
    ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value;
  process.stdout.write(`${JSON.stringify(document, plain)}\n`);
}
