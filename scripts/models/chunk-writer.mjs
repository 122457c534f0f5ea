/** Collects small pieces into large writes, and fills one buffer while the other one is on its way to the disk. */
export class ChunkWriter {
  #file;
  #current;
  #spare;
  #used = 0;
  /** @type {Promise<void>} */
  #writing = Promise.resolve();

  /**
   * @param {import("node:fs/promises").FileHandle} file written from its current position on
   * @param {number} chunkBytes
   */
  constructor(file, chunkBytes) {
    this.#file = file;
    this.#current = Buffer.alloc(chunkBytes);
    this.#spare = Buffer.alloc(chunkBytes);
  }

  /** @param {number} bytes */
  hasRoom(bytes) {
    return this.#used + bytes <= this.#current.length;
  }

  /**
   * Adds a piece there is room for.
   * @param {number} bytes
   * @param {(target: Buffer, offset: number) => void} fill
   */
  add(bytes, fill) {
    fill(this.#current, this.#used);
    this.#used += bytes;
  }

  /** Starts to write what was collected, once the write before has ended. */
  async flush() {
    await this.#writing;
    this.#writing = this.#file.writeFile(this.#current.subarray(0, this.#used));
    // A failure is reported by whoever waits for it next: the next flush, or the end.
    this.#writing.catch(() => {});
    [this.#current, this.#spare] = [this.#spare, this.#current];
    this.#used = 0;
  }

  /** Writes what is left and waits for it. */
  async finish() {
    await this.flush();
    await this.#writing;
  }
}
