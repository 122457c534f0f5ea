import { resolve } from "node:path";

import type { NativeGgufFile } from "../native/contract.js";
import { awaitAddon } from "../native/errors.js";
import { loadAddon } from "../native/load-addon.js";
import { aNonEmptyString } from "../validate.js";

/** Reads a GGUF file's header, metadata and tensor list without loading it. Rejects as `loadModel` does. */
export async function inspectModel(path: string): Promise<NativeGgufFile> {
  const file = resolve(aNonEmptyString(path, "path"));
  return awaitAddon(() => loadAddon().ggufInspect({ path: file }));
}
