import { createWriteStream } from "node:fs";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { openPromise } from "yauzl";

/** Unpacks one file of a zip archive (a Python wheel is one) to `target`, as a stream. */
export async function extractEntry(archive: string, name: string, target: string, signal?: AbortSignal): Promise<void> {
  const zip = await openPromise(archive, { autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName !== name) continue;
      const content = await zip.openReadStreamPromise(entry);
      await pipeline(content, createWriteStream(target), signal ? { signal } : {});
      return;
    }
  } finally {
    zip.close();
  }
  throw new Error(`${basename(archive)} has no ${name}`);
}
