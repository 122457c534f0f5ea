import type { DownloadProgress } from "../progress.js";

export interface FetchOptions {
  /** Called with 0..1 while the model is being fetched, never for a model that is there already; the last call is 1. */
  onProgress?: ((fraction: number) => void) | undefined;
  /** The same with more to tell, several times a second. */
  onDownload?: ((progress: DownloadProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Take only what is on this disk. Default: what `HF_HUB_OFFLINE` says. */
  offline?: boolean | undefined;
  /**
   * Ask the hub, or the server of a URL, whether there is a newer file, even though one is here, and read one from a Python package
   * to see that it is whole. Default false.
   */
  refresh?: boolean | undefined;
  /** Parts of a file to download at once. Default 4. */
  connections?: number | undefined;
}
