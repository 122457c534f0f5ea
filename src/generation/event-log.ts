/**
 * An append-only list of which any number of readers see every item from the start. Appending is O(1) and wakes only the
 * readers that wait.
 */
export class EventLog<T> {
  readonly #items: T[] = [];
  readonly #waiting = new Set<() => void>();
  #state: "open" | "ended" | "failed" = "open";
  #error: unknown;

  get open(): boolean {
    return this.#state === "open";
  }

  append(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  end(): void {
    if (this.open) this.#state = "ended";
    this.#wake();
  }

  /** Readers get what was appended before, then the error. */
  fail(error: unknown): void {
    if (this.open) {
      this.#state = "failed";
      this.#error = error;
    }
    this.#wake();
  }

  /**
   * Iterates what `select` gives for each item (any number of values). `onLeave` runs where a reader leaves before the
   * end, who goes on when its promise resolves. The iterator is written out, as a generator's `return()` would wait for a
   * pending `next()`, that is for the next token, before it can cancel.
   */
  read<V>(select: (item: T) => readonly V[], onLeave: () => Promise<void>): AsyncIterableIterator<V> {
    let position = 0;
    let left = false;
    let wake: (() => void) | undefined;
    const ready: V[] = [];

    const next = async (): Promise<IteratorResult<V>> => {
      for (;;) {
        if (left) return { done: true, value: undefined };
        if (ready.length > 0) return { done: false, value: ready.shift() as V };
        const item = this.#items[position];
        if (position < this.#items.length) {
          position++;
          ready.push(...select(item as T));
        } else if (this.open) {
          await new Promise<void>((resolve) => {
            wake = resolve;
            this.#waiting.add(resolve);
          });
        } else {
          left = true;
          if (this.#state === "failed") throw this.#error;
        }
      }
    };

    const leave = async (): Promise<void> => {
      if (left) return;
      left = true;
      if (wake !== undefined) {
        this.#waiting.delete(wake);
        wake();
      }
      await onLeave();
    };

    return {
      next: serialize(next),
      return: async (): Promise<IteratorResult<V>> => {
        await leave();
        return { done: true, value: undefined };
      },
      throw: async (error?: unknown): Promise<IteratorResult<V>> => {
        await leave();
        throw error;
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  #wake(): void {
    if (this.#waiting.size === 0) return;
    const readers = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of readers) wake();
  }
}

/** Answers calls in the order they were made, also where `next()` is called again before the last one resolved. */
function serialize<V>(next: () => Promise<V>): () => Promise<V> {
  let last: Promise<unknown> = Promise.resolve();
  let pending = 0;
  return () => {
    const run = pending === 0 ? next() : last.then(next);
    pending++;
    const settled = run.then(
      () => pending--,
      () => pending--,
    );
    last = settled;
    return run;
  };
}
