/**
 * An append-only list of which any number of readers see every item from the start. Appending is O(1) and wakes only the
 * readers that wait.
 */
export class EventLog<T> {
  readonly #items: T[] = [];
  #waiting: (() => void)[] = [];
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
   * Iterates what `select` hands on of each item. `onLeave` runs where a reader leaves before the end, who goes on when
   * its promise resolves.
   */
  read<V>(select: Select<T, V>, onLeave: () => Promise<void>): AsyncIterableIterator<V> {
    return new Reader(this, select, onLeave);
  }

  /** The item at `position`, which must be below `length`. */
  at(position: number): T {
    return this.#items[position] as T;
  }

  get length(): number {
    return this.#items.length;
  }

  get failure(): { error: unknown } | undefined {
    return this.#state === "failed" ? { error: this.#error } : undefined;
  }

  /** Calls `wake` once, at the next change. */
  wait(wake: () => void): void {
    this.#waiting.push(wake);
  }

  #wake(): void {
    if (this.#waiting.length === 0) return;
    const readers = this.#waiting;
    this.#waiting = [];
    for (const wake of readers) wake();
  }
}

/** Hands on any number of values of an item. */
type Select<T, V> = (item: T, handOn: (value: V) => void) => void;

interface Pending<V> {
  resolve: (result: IteratorResult<V>) => void;
  reject: (error: unknown) => void;
}

/**
 * One reader's place in a log. Written out, as a generator's `return()` would wait for a pending `next()`, that is for the
 * next token, before it can cancel; and with one promise a value, as each takes its time on the JS thread.
 */
class Reader<T, V> implements AsyncIterableIterator<V> {
  readonly #log: EventLog<T>;
  readonly #select: Select<T, V>;
  readonly #onLeave: () => Promise<void>;
  #position = 0;
  #ended = false;
  #waits = false;
  /** Values that nobody has asked for yet, and calls that wait for one; one of both is empty. */
  readonly #ready: V[] = [];
  readonly #pending: Pending<V>[] = [];

  constructor(log: EventLog<T>, select: Select<T, V>, onLeave: () => Promise<void>) {
    this.#log = log;
    this.#select = select;
    this.#onLeave = onLeave;
  }

  next(): Promise<IteratorResult<V>> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject });
      this.#serve();
    });
  }

  async return(): Promise<IteratorResult<V>> {
    await this.#leave();
    return { done: true, value: undefined };
  }

  async throw(error?: unknown): Promise<IteratorResult<V>> {
    await this.#leave();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  readonly #handOn = (value: V): void => {
    const pending = this.#pending.shift();
    if (pending === undefined) this.#ready.push(value);
    else pending.resolve({ done: false, value });
  };

  readonly #serve = (): void => {
    this.#waits = false;
    while (this.#pending.length > 0) {
      if (this.#ended) this.#close();
      else if (this.#ready.length > 0) this.#handOn(this.#ready.shift() as V);
      else if (this.#position < this.#log.length) this.#select(this.#log.at(this.#position++), this.#handOn);
      else if (this.#log.open) {
        this.#wait();
        return;
      } else this.#end();
    }
  };

  #wait(): void {
    if (this.#waits) return;
    this.#waits = true;
    this.#log.wait(this.#serve);
  }

  /** Only the first call of `next` hears of a failure. */
  #end(): void {
    this.#ended = true;
    const { failure } = this.#log;
    if (failure !== undefined) this.#pending.shift()?.reject(failure.error);
    this.#close();
  }

  #close(): void {
    for (const { resolve } of this.#pending.splice(0)) resolve({ done: true, value: undefined });
  }

  async #leave(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#close();
    await this.#onLeave();
  }
}
