import type { Response } from "undici";

import { LlamaError } from "../errors.js";
import { requestBody } from "./http.js";

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
export function remoteBytes(address: RemoteAddress): RemoteBytes {
  const { url, sizeBytes } = address;
  return {
    name: url,
    sizeBytes,
    read(offset, length) {
      const end = Math.min(offset + length, sizeBytes);
      return end <= offset ? Promise.resolve(new Uint8Array(0)) : readRange(address, offset, end);
    },
  };
}

async function readRange(
  { url, token, signal, failure }: RemoteAddress,
  offset: number,
  end: number,
): Promise<Uint8Array> {
  const { host } = new URL(url);
  const headers = { range: `bytes=${offset}-${end - 1}`, "accept-encoding": "identity" };
  const { response, body } = await requestBody(url, { headers, token, signal }, end - offset);
  if (!response.ok) throw failure(response);
  if (response.status !== 206) {
    throw new LlamaError("DOWNLOAD", `${host} sends no parts of files, so that a model must be downloaded first`);
  }
  const start = Number(/^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1] ?? offset);
  if (start === offset && body.length === end - offset) return body;
  throw new LlamaError(
    "DOWNLOAD",
    `${host} sends another part of a file than it was asked for: expected ${end - offset} bytes from ${offset} on ` +
      `but received ${body.length} from ${start} on. Try again, or download the model first`,
    { details: { url, reason: "wrong part" } },
  );
}
