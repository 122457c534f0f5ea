import type { Response } from "undici";

import { LlamaError } from "../errors.js";
import { request } from "./http.js";

/** A file on a server, to read parts of. */
export interface RemoteBytes {
  name: string;
  sizeBytes: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface RemoteAddress {
  url: string;
  sizeBytes: number;
  token?: string | undefined;
  signal?: AbortSignal | undefined;
  failure: (response: Response) => LlamaError;
}

/** Reads by range requests; a server that knows none is not made to send gigabytes. */
export function remoteBytes({ url, sizeBytes, token, signal, failure }: RemoteAddress): RemoteBytes {
  return {
    name: url,
    sizeBytes,
    async read(offset, length) {
      if (length <= 0) return new Uint8Array(0);
      const range = `bytes=${offset}-${offset + length - 1}`;
      const response = await request(url, { headers: { range, "accept-encoding": "identity" }, token, signal });
      if (response.status === 206) return new Uint8Array(await response.arrayBuffer());
      await response.body?.cancel();
      if (!response.ok) throw failure(response);
      throw new LlamaError(
        "DOWNLOAD",
        `${new URL(url).host} sends no parts of files, so that a model must be downloaded first`,
      );
    },
  };
}
