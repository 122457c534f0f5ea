import type { Hash } from "node:crypto";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/** The hash of a file's content that names it on the hub: SHA-256 of large files, git's own of small ones. */
export interface ContentHash {
  algorithm: "sha256" | "git-sha1";
  /** Lower-case hex digits. */
  digest: string;
}

/** The hash behind a name that the hub gives a file's content. */
export function hashOfEtag(etag: string): ContentHash {
  return { algorithm: etag.length === 64 ? "sha256" : "git-sha1", digest: etag };
}

export interface HashOptions {
  signal?: AbortSignal | undefined;
  /** Called with the bytes that are done. */
  onBytes?: ((bytes: number) => void) | undefined;
}

/** SHA-256 of a file's content, as lower-case hex digits. */
export async function fileSha256(path: string, signal?: AbortSignal): Promise<string> {
  return hashFile(path, createHash("sha256"), { signal });
}

/** The same of a file in one of the hub's two ways. */
export async function contentDigest(
  path: string,
  sizeBytes: number,
  algorithm: ContentHash["algorithm"],
  options: HashOptions = {},
): Promise<string> {
  if (algorithm === "sha256") return hashFile(path, createHash("sha256"), options);
  return hashFile(path, createHash("sha1").update(`blob ${sizeBytes}\0`), options);
}

async function hashFile(path: string, hash: Hash, { signal, onBytes }: HashOptions): Promise<string> {
  let bytes = 0;
  // Large reads: hashing a model of gigabytes is then as fast as the disk.
  const content = createReadStream(path, { highWaterMark: 1024 * 1024, ...(signal === undefined ? {} : { signal }) });
  try {
    for await (const chunk of content as AsyncIterable<Buffer>) {
      hash.update(chunk);
      onBytes?.((bytes += chunk.length));
    }
  } catch (error) {
    signal?.throwIfAborted(); // streams report a cancel in their own words
    throw error;
  }
  return hash.digest("hex");
}
