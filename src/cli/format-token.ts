import { TextDecoder } from "node:util";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a token in quotes, as JSON writes it; bytes that are only a part of a character as `\xF0\x9F`. */
export function formatToken(bytes: Uint8Array): string {
  try {
    return JSON.stringify(decoder.decode(bytes));
  } catch {
    return `"${Array.from(bytes, formatByte).join("")}"`;
  }
}

function formatByte(byte: number): string {
  if (byte < 0x80) return JSON.stringify(String.fromCharCode(byte)).slice(1, -1);
  return `\\x${byte.toString(16).toUpperCase()}`;
}
