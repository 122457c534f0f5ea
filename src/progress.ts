/** What is to be said of a download while it goes on. */
export interface DownloadProgress {
  /** Name of the file that is being fetched; of the repository while its files are not known yet. */
  file: string;
  /**
   * "waiting" for another process that downloads the same file, whose progress is told meanwhile; "pausing" for
   * `secondsLeft`, as the server asked for it or failed.
   */
  phase: "waiting" | "pausing" | "downloading" | "verifying";
  /** Of all files of the model, with what was there before. While verifying: bytes of the file that are checked. */
  bytes: number;
  totalBytes: number;
  /** Over the last seconds; null at the beginning. */
  bytesPerSecond: number | null;
  secondsLeft: number | null;
}
