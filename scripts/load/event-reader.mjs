// Server-sent events as they come in, in pieces that may end anywhere.

/** Puts events together; a piece may end within a line, and within a character. */
export class EventReader {
  #decoder = new TextDecoder("utf-8", { fatal: true });
  #rest = "";
  /** Whether the stream has said that it is over. */
  done = false;

  /**
   * The data of the events that are whole by now.
   * @param {Uint8Array} chunk
   * @returns {any[]}
   */
  push(chunk) {
    const events = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split("\n\n");
    this.#rest = events.pop() ?? "";
    return events.flatMap((event) => this.#read(event));
  }

  /** Throws where the stream broke off within an event. */
  end() {
    this.#rest += this.#decoder.decode();
    if (this.#rest !== "") throw new Error(`Expected whole events but the last one is ${JSON.stringify(this.#rest)}`);
  }

  /** @param {string} event */
  #read(event) {
    if (event.startsWith(":")) return []; // a sign of life
    if (this.done || !event.startsWith("data: "))
      throw new Error(`Expected an event but received ${JSON.stringify(event)}`);
    const data = event.slice("data: ".length);
    if (data !== "[DONE]") return [JSON.parse(data)];
    this.done = true;
    return [];
  }
}
