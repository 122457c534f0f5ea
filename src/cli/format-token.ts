import { TextDecoder } from "node:util";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a token in quotes, as JSON writes it; where it is a part of a character, its bytes: `\xF0\x9F`. */
export function formatToken(bytes: Uint8Array): string {
  try {
    return JSON.stringify(decoder.decode(bytes));
  } catch {
    return `"${Array.from(bytes, (byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("")}"`;
  }
}
