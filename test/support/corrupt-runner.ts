import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { compiledLibrary } from "./compiled.js";

/** What came of loading one file in another process. */
export interface LoadReport {
  loaded: boolean;
  error: { typed: boolean; name: string; code: string | null; message: string; stack: string } | null;
  generatedTokens: number;
}

/** The process ended, or had to be ended, before it reported. */
export interface Death {
  died: string;
}

const childScript = fileURLToPath(new URL("./corrupt-child.mjs", import.meta.url));

/** Milliseconds in which a file of a few megabytes must have been loaded or refused. */
const patience = 30_000;

/** Loads files in one child process; a new one takes over where that dies. */
export class LoadRunner {
  #child: ChildProcess | undefined;
  /** What the child wrote to standard error since the last load began. */
  #log = "";

  /** How many processes were needed. */
  started = 0;

  async load(path: string): Promise<LoadReport | Death> {
    const child = (this.#child ??= this.#start());
    this.#log = "";
    const reported = new AbortController();
    const { signal } = reported;
    const timer = setTimeout(() => child.kill("SIGKILL"), patience);
    try {
      child.send({ path });
      return await Promise.race([
        once(child, "message", { signal }).then(([report]) => report as LoadReport),
        once(child, "close", { signal }).then(([code, killer]) => {
          this.#child = undefined;
          return { died: `${String(killer ?? `exit code ${String(code)}`)}: ${this.#log.trim().slice(-300)}` };
        }),
      ]);
    } finally {
      reported.abort();
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    // Not "close", which never comes after a disconnect of one's own.
    const exited = once(child, "exit");
    child.disconnect();
    await exited;
  }

  #start(): ChildProcess {
    this.started++;
    const env = { ...process.env, LIBRARY: compiledLibrary() };
    const child = fork(childScript, { env, stdio: ["ignore", "inherit", "pipe", "ipc"] });
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
    return child;
  }
}
