import type { DownloadProgress } from "../progress.js";

/** How far the rate looks back, and how often progress is reported, in milliseconds. */
const window = 5000;
const interval = 100;

/** Measures a download of one or more files, and reports it now and then. */
export class ProgressMeter {
  readonly #report: ((progress: DownloadProgress) => void) | undefined;
  readonly #totalBytes: number;
  #before = 0;
  #samples: { time: number; bytes: number }[] = [];
  #reported = { time: 0, phase: "" };

  constructor(totalBytes: number, report: ((progress: DownloadProgress) => void) | undefined) {
    this.#totalBytes = totalBytes;
    this.#report = report;
  }

  /** `bytes` of the present file are there. */
  update(file: string, phase: DownloadProgress["phase"], bytes: number): void {
    if (this.#report === undefined) return;
    const time = performance.now();
    const all = this.#before + bytes;
    // Of what other processes do the rate is known only roughly, and it is no rate when checking.
    this.#samples = [...this.#samples.filter((sample) => time - sample.time <= window), { time, bytes: all }];
    const isSame = phase === this.#reported.phase && time - this.#reported.time < interval;
    if (isSame && all < this.#totalBytes) return;
    if (phase !== this.#reported.phase) this.#samples = this.#samples.slice(-1);
    this.#reported = { time, phase };
    const bytesPerSecond = this.#rate();
    this.#report({
      file,
      phase,
      bytes: all,
      totalBytes: this.#totalBytes,
      bytesPerSecond,
      secondsLeft: bytesPerSecond === null || bytesPerSecond === 0 ? null : (this.#totalBytes - all) / bytesPerSecond,
    });
  }

  /** Nothing is asked of the server for so many milliseconds. */
  pause(file: string, milliseconds: number): void {
    const bytes = this.#samples.at(-1)?.bytes ?? this.#before;
    const totals = { bytes, totalBytes: this.#totalBytes, bytesPerSecond: null };
    this.#reported = { time: performance.now(), phase: "pausing" };
    this.#report?.({ file, phase: "pausing", ...totals, secondsLeft: milliseconds / 1000 });
  }

  /** A file is whole; the next ones come on top. */
  fileDone(sizeBytes: number): void {
    this.#before += sizeBytes;
  }

  #rate(): number | null {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.time - first.time < interval * 2) return null;
    return ((last.bytes - first.bytes) * 1000) / (last.time - first.time);
  }
}
