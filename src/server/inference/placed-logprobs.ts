import { TextDecoder } from "node:util";

import type { PlacedLogprob, TokenLogprob } from "./events.js";

/** Hands out the log-probabilities of tokens together with the text that these begin in, and none for what is cut from it. */
export class LogprobPlacer {
  readonly #isShown: (token: number) => boolean;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #waiting: PlacedLogprob[] = [];
  #decoded = 0;
  #said = 0;
  /** 1 where the text goes without the space that its first token begins with, as that is the prompt's. */
  #dropped = 0;

  /** `isShown` tells whether the text has a token at all, which it may not of control tokens. */
  constructor(isShown: (token: number) => boolean) {
    this.#isShown = isShown;
  }

  push(logprobs: readonly TokenLogprob[]): void {
    for (const logprob of logprobs) {
      if (logprob.bytes.length === 0 || !this.#isShown(logprob.token)) continue;
      this.#waiting.push({ ...logprob, offset: this.#decoded });
      this.#decoded += this.#decoder.decode(logprob.bytes, { stream: true }).length;
    }
  }

  /** Those of the tokens that begin in the next piece of the text, which is that at `at`; what is before it was cut out. */
  take(text: string, at = this.#said): PlacedLogprob[] {
    if (text === "") return [];
    if (at > this.#said) this.#takeBefore(at);
    if (at === 0) this.#dropSpace(text);
    this.#said = at + text.length;
    const taken = this.#takeBefore(this.#said);
    return taken.map((logprob) => ({ ...logprob, offset: Math.max(0, logprob.offset - this.#dropped) }));
  }

  #takeBefore(at: number): PlacedLogprob[] {
    const later = this.#waiting.findIndex(({ offset }) => offset >= at + this.#dropped);
    return this.#waiting.splice(0, later < 0 ? this.#waiting.length : later);
  }

  #dropSpace(text: string): void {
    const [first] = this.#waiting;
    if (first?.bytes[0] !== 0x20 || text.startsWith(" ")) return;
    this.#dropped = 1;
    if (first.bytes.length === 1) this.#waiting.shift();
  }
}
