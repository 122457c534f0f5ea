import { constants } from "node:os";

import { outputFailed } from "./output.js";

const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The process was told to stop. */
export class Stopped extends Error {
  override readonly name = "Stopped";
  /** As shells report it: 128 and the signal's number. */
  readonly exitCode: number;

  constructor(signal: (typeof names)[number]) {
    super(`Stopped by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/**
 * Turns the first signal to stop into an aborted `signal`, so that what runs can end in good order; the second one ends
 * the process at once.
 */
export class Stops {
  readonly #controller = new AbortController();
  #onInterrupt: (() => void) | undefined;
  /** Also aborts when standard output can take no more. */
  readonly signal = AbortSignal.any([this.#controller.signal, outputFailed]);

  /** Runs a command; signals have their usual effect again once it has ended. */
  static async during<T>(work: (stops: Stops) => Promise<T>): Promise<T> {
    const stops = new Stops();
    for (const name of names) process.on(name, stops.#receive);
    try {
      return await work(stops);
    } finally {
      for (const name of names) process.off(name, stops.#receive);
    }
  }

  /** While `work` runs, Ctrl-C calls `onInterrupt` and stops nothing by itself. */
  async catchInterrupts<T>(onInterrupt: () => void, work: () => Promise<T>): Promise<T> {
    this.#onInterrupt = onInterrupt;
    try {
      return await work();
    } finally {
      this.#onInterrupt = undefined;
    }
  }

  stop(name: (typeof names)[number]): void {
    const reason = new Stopped(name);
    if (this.#controller.signal.aborted) process.exit(reason.exitCode);
    this.#controller.abort(reason);
  }

  readonly #receive = (name: NodeJS.Signals): void => {
    if (name === "SIGINT" && this.#onInterrupt !== undefined) this.#onInterrupt();
    else this.stop(name as (typeof names)[number]);
  };
}
