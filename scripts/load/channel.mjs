// Questions to another process and their answers, which are told apart by a number.

import { fork } from "node:child_process";
import { readFileSync } from "node:fs";

/** A process of the load test, of which any number of things can be asked at once. */
export class Part {
  #child;
  #next = 1;
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #asked = new Map();

  /** @param {string} path of its program @param {string[]} [nodeOptions] */
  constructor(path, nodeOptions = []) {
    this.#child = fork(path, [], { execArgv: nodeOptions });
    this.#child.on("message", (/** @type {any} */ answer) => this.#settle(answer));
    this.#child.on("exit", (code, signal) => this.#fail(new Error(`${path} ended with ${signal ?? `code ${code}`}`)));
  }

  /** @param {string} what @param {unknown} [value] @returns {Promise<any>} */
  ask(what, value) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.#child.send({ id, what, value });
    });
  }

  end() {
    if (this.#child.connected) this.#child.disconnect();
  }

  /** @param {{ id: number, value?: unknown, error?: string }} answer */
  #settle({ id, value, error }) {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (error === undefined) asked?.resolve(value);
    else asked?.reject(new Error(error));
  }

  /** @param {Error} error */
  #fail(error) {
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
  }
}

/**
 * The other end: answers what it is asked, until nobody can ask any more.
 * @param {Record<string, (value: any) => unknown>} answers
 */
export function answer(answers) {
  const reply = async (/** @type {{ id: number, what: string, value: any }} */ { id, what, value }) => {
    try {
      process.send?.({ id, value: (await answers[what]?.(value)) ?? null });
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  };
  process.on("message", (/** @type {any} */ question) => void reply(question));
  process.on("disconnect", () => process.exit());
}

/**
 * Runs tasks, so many at once, each worker taking the next one as soon as it is done with its last.
 * @template Task
 * @param {readonly Task[]} tasks @param {number} workers @param {(task: Task) => Promise<void>} run
 */
export async function inTurns(tasks, workers, run) {
  const left = tasks.values();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (const task of left) await run(task);
    }),
  );
}

/** Starts to measure a process; what it returns tells what it took since then. */
export function meter() {
  const [started, cpu, own] = [performance.now(), process.cpuUsage(), ownSeconds()];
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return {
      seconds: (performance.now() - started) / 1000,
      /** Of all threads, and of JavaScript's alone where the system (Linux) tells. */
      cpuSeconds: (user + system) / 1e6,
      jsSeconds: own === null ? null : (ownSeconds() ?? 0) - own,
    };
  };
}

/** Seconds that the thread of this program was on a core; an event loop's own figures count waits for a core as work. */
function ownSeconds() {
  try {
    return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[0]) / 1e9;
  } catch {
    return null;
  }
}
