/**
 * Hands items from one producer to one consumer, who gets all that have come since the last time at once. What comes within
 * `gatherMs` of the last batch waits for more: each batch costs its way to the client, and a few tokens together no more than
 * one. The first item never waits, nor does the end.
 */
export class BatchQueue<T> {
  readonly #gatherMs: number;
  #items: T[] = [];
  #state: "open" | "ended" | "failed" = "open";
  #error: unknown;
  #wake: (() => void) | undefined;
  /** Since the last batch; one timer for all of them. */
  #timer: NodeJS.Timeout | undefined;
  #gathers = false;

  constructor(gatherMs = 0) {
    this.#gatherMs = gatherMs;
  }

  push(item: T): void {
    if (this.#state !== "open") return;
    this.#items.push(item);
    if (!this.#gathers) this.#notify();
  }

  end(): void {
    if (this.#state === "open") this.#close("ended");
    this.#notify();
  }

  /** The consumer gets what was pushed before, then the error. */
  fail(error: unknown): void {
    if (this.#state === "open") {
      this.#close("failed");
      this.#error = error;
    }
    this.#notify();
  }

  /** At least one item, or undefined once there will be no more. */
  async next(): Promise<T[] | undefined> {
    while (this.#items.length === 0 || this.#gathers) {
      if (this.#items.length === 0 && this.#state === "failed") throw this.#error;
      if (this.#items.length === 0 && this.#state === "ended") return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const batch = this.#items;
    this.#items = [];
    if (this.#gatherMs > 0 && this.#state === "open") this.#gather();
    return batch;
  }

  #gather(): void {
    this.#gathers = true;
    if (this.#timer !== undefined) {
      this.#timer.refresh();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#gathers = false;
      if (this.#items.length > 0) this.#notify();
    }, this.#gatherMs);
  }

  #close(state: "ended" | "failed"): void {
    this.#state = state;
    this.#gathers = false;
    clearTimeout(this.#timer);
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
