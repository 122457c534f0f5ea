import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { LlamaError } from "../errors.js";

export const namedByHand = "set LLAMA_NATIVE_OUT_DIR to the folder native/dist of the installed package";

/**
 * The folder with this package's package.json: two up from both `src/native` and `dist/native`. Throws `NOT_BUILT` where a
 * bundler has left nothing that says where this code lies.
 */
export function packageRoot(): string {
  // What some bundlers make of it in CommonJS.
  if ((import.meta.url as string | undefined) === undefined) {
    const message = `The native addon cannot be looked for: llama-native was bundled into a CommonJS file; ${namedByHand}`;
    throw new LlamaError("NOT_BUILT", message, { details: { reason: "bundled" } });
  }
  return resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
}
