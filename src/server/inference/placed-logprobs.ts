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

  /** Those of the tokens that begin in the next piece of the text. */
  take(text: string): PlacedLogprob[] {
    if (text === "") return [];
    if (this.#said === 0) this.#dropSpace(text);
    this.#said += text.length;
    const end = this.#said + this.#dropped;
    const later = this.#waiting.findIndex(({ offset }) => offset >= end);
    const taken = this.#waiting.splice(0, later < 0 ? this.#waiting.length : later);
    return taken.map((logprob) => ({ ...logprob, offset: Math.max(0, logprob.offset - this.#dropped) }));
  }

  #dropSpace(text: string): void {
    const [first] = this.#waiting;
    if (first?.bytes[0] !== 0x20 || text.startsWith(" ")) return;
    this.#dropped = 1;
    if (first.bytes.length === 1) this.#waiting.shift();
  }
}
