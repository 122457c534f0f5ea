import { dirname } from "node:path";

// The build scripts need the same lock, before anything is compiled.
import { withLock as withScriptsLock } from "../../scripts/lib/lock.mjs";
import { diskFailure } from "./disk.js";

export interface LockOptions {
  /** Stops waiting for the lock. */
  signal?: AbortSignal | undefined;
  /**
   * Called now and then while another process, or another call of this one, holds the lock, with whether that gives no sign of
   * life, so that the lock may be taken over in some seconds; where it fails, so does waiting.
   */
  onPoll?: ((isSilent: boolean) => void | Promise<void>) | undefined;
}

/** The lock of whoever brings a file of our own cache to where it is kept. */
export function fileLock(target: string): string {
  return `${target}.lock`;
}

/**
 * Runs `work` while no other process runs any with this lock. A lock whose holder was killed is taken over.
 *
 * @throws LlamaError `DOWNLOAD` where the lock cannot be made, as in a folder of another user
 */
export async function withLock<T>(path: string, work: () => Promise<T>, options: LockOptions): Promise<T> {
  const folder = dirname(path);
  let isHeld = false;
  const working = (): Promise<T> => {
    isHeld = true;
    return work();
  };
  try {
    return await withScriptsLock(path, working, options);
  } catch (error) {
    const isOfLock = (error as NodeJS.ErrnoException).path?.startsWith(folder) === true;
    throw !isHeld && isOfLock ? diskFailure(folder, error) : error;
  }
}
