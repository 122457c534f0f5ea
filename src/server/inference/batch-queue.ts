/** Hands items from one producer to one consumer, who gets all that have come since the last time at once. */
export class BatchQueue<T> {
  #items: T[] = [];
  #state: "open" | "ended" | "failed" = "open";
  #error: unknown;
  #wake: (() => void) | undefined;

  push(item: T): void {
    if (this.#state !== "open") return;
    this.#items.push(item);
    this.#notify();
  }

  end(): void {
    if (this.#state === "open") this.#state = "ended";
    this.#notify();
  }

  /** The consumer gets what was pushed before, then the error. */
  fail(error: unknown): void {
    if (this.#state === "open") {
      this.#state = "failed";
      this.#error = error;
    }
    this.#notify();
  }

  /** At least one item, or undefined once there will be no more. */
  async next(): Promise<T[] | undefined> {
    while (this.#items.length === 0) {
      if (this.#state === "failed") throw this.#error;
      if (this.#state === "ended") return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const batch = this.#items;
    this.#items = [];
    return batch;
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
