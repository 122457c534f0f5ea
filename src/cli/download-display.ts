import type { WriteStream } from "node:tty";

import type { DownloadProgress } from "../progress.js";
import { formatBytes, formatDuration } from "./format.js";
import { ProgressBar } from "./progress-bar.js";

/** Where lines cannot be overwritten, one is written this often, in milliseconds. */
const lineInterval = 5000;

/** Shows a download: as a bar with rate and time left on a terminal, as plain lines elsewhere. */
export class DownloadDisplay {
  readonly #bar: ProgressBar;
  readonly #stream: WriteStream;
  #line = { phase: "", file: "", time: 0 };

  constructor(source: string, stream: WriteStream = process.stderr) {
    this.#bar = new ProgressBar(`Downloading ${source}`, stream);
    this.#stream = stream;
  }

  readonly show = (progress: DownloadProgress): void => {
    const { bytes, totalBytes, phase, file } = progress;
    if (this.#bar.isShown) {
      this.#bar.show(totalBytes === 0 ? 0 : bytes / totalBytes, describe(progress), headings[phase](file));
      return;
    }
    const now = performance.now();
    const { phase: last, file: lastFile, time } = this.#line;
    if (phase === last && file === lastFile && now - time < lineInterval) return;
    this.#line = { phase, file, time: now };
    this.#stream.write(`${headings[phase](file)}: ${describe(progress)}\n`);
  };

  clear(): void {
    this.#bar.clear();
  }
}

const headings: Record<DownloadProgress["phase"], (file: string) => string> = {
  pausing: (file) => `The server does not give ${file} now`,
  waiting: (file) => `Another process is downloading ${file}`,
  downloading: (file) => `Downloading ${file}`,
  verifying: (file) => `Checking ${file}`,
};

/** `1.2 GB of 4.37 GB, 34.5 MB/s, 1 min 32 s left`. */
function describe({ bytes, totalBytes, bytesPerSecond, secondsLeft, phase }: DownloadProgress): string {
  if (phase === "pausing") return `trying again in ${formatDuration(secondsLeft ?? 0)}`;
  const parts = [`${formatBytes(bytes)} of ${formatBytes(totalBytes)}`];
  if (bytesPerSecond !== null) parts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (secondsLeft !== null && phase !== "verifying") parts.push(`${formatDuration(secondsLeft)} left`);
  return parts.join(", ");
}
