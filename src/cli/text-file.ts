import { readFileSync } from "node:fs";
import { TextDecoder } from "node:util";

import { CliError } from "./cli-error.js";

/** The text of a UTF-8 file; a byte order mark is no part of it. */
export function readTextFile(path: string): string {
  return decodeText(readBytes(path), path);
}

/** `name` says where the bytes are from. */
export function decodeText(bytes: Uint8Array, name: string, { keepMark = false } = {}): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: keepMark }).decode(bytes);
  } catch (cause) {
    throw new CliError(`${name} is not UTF-8 text`, { cause });
  }
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new CliError(`Cannot read ${path}: ${reasonOf(cause)}`, { cause });
  }
}

/** `no such file or directory` of Node's `ENOENT: no such file or directory, open 'x'`. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return /^[A-Z0-9]+: (.*?)(, \w+( '.*')?)?$/s.exec(message)?.[1] ?? message;
}
