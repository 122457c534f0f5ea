export interface TickerOptions {
  /** Milliseconds after which what comes next is a tick. */
  readonly leastMs: number;
  /** For each that waits, where that makes more: what they cost together is then the same in a second, however many they are. */
  readonly msEach: number;
  readonly mostMs: number;
  /** Milliseconds after which there is a tick where nothing has come. */
  readonly graceMs: number;
}

/**
 * Ticks while anybody waits for it, for all at once: streams that send together wake the system, their clients, and the engine's
 * threads beside them, once instead of one by one. It does so when something comes, as the program is awake then anyway.
 */
export class Ticker {
  readonly #options: TickerOptions;
  #waiting: (() => void)[] = [];
  /** How many waited the last time, which is how many will. */
  #usual = 0;
  #dueMs = 0;
  #isDue = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TickerOptions) {
    this.#options = options;
  }

  /** Calls `then` at the next tick. */
  next(then: () => void): void {
    if (this.#waiting.push(then) > 1) return;
    const { leastMs, msEach, mostMs, graceMs } = this.#options;
    const ms = Math.min(Math.max(leastMs, msEach * this.#usual), mostMs);
    this.#dueMs = performance.now() + ms;
    this.#timer = setTimeout(this.#tick, ms + graceMs);
  }

  /** Something has come for one that waits: a tick, where one is due, once what comes together with it has been told. */
  came(): void {
    if (this.#isDue || performance.now() < this.#dueMs) return;
    this.#isDue = true;
    queueMicrotask(this.#tick);
  }

  readonly #tick = (): void => {
    clearTimeout(this.#timer);
    this.#isDue = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#usual = waiting.length;
    for (const then of waiting) then();
  };
}

/**
 * Hands items from one producer to one consumer, who gets all that have come since the last time at once. With a ticker, what
 * comes after a batch waits for the next tick: each batch costs its way to the client, and a few tokens together no more
 * than one. The first item never waits, nor does the end.
 */
export class BatchQueue<T> {
  readonly #ticker: Ticker | undefined;
  #items: T[] = [];
  #state: "open" | "ended" | "failed" = "open";
  #error: unknown;
  #wake: (() => void) | undefined;
  #gathers = false;

  constructor(ticker?: Ticker) {
    this.#ticker = ticker;
  }

  push(item: T): void {
    if (this.#state !== "open") return;
    this.#items.push(item);
    if (this.#gathers) this.#ticker?.came();
    else this.#notify();
  }

  end(): void {
    if (this.#state === "open") this.#state = "ended";
    this.#release();
  }

  /** The consumer gets what was pushed before, then the error. */
  fail(error: unknown): void {
    if (this.#state === "open") {
      this.#state = "failed";
      this.#error = error;
    }
    this.#release();
  }

  /** At least one item, or undefined once there will be no more. */
  async next(): Promise<T[] | undefined> {
    while (this.#items.length === 0 || this.#gathers) {
      if (this.#state === "failed") throw this.#error;
      if (this.#state === "ended") return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const batch = this.#items;
    this.#items = [];
    if (this.#ticker !== undefined && this.#state === "open") {
      this.#gathers = true;
      this.#ticker.next(this.#release);
    }
    return batch;
  }

  /** Gathers no more. */
  readonly #release = (): void => {
    this.#gathers = false;
    if (this.#items.length > 0 || this.#state !== "open") this.#notify();
  };

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
