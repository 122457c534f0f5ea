// llama.cpp's sources as the published package carries them: in one archive, as they are a thousand files, of which an install that
// builds nothing needs none.

import { mkdir, rename, rm } from "node:fs/promises";
import { constants } from "node:zlib";
import { temporaryName } from "./files.mjs";
import { create, extract } from "./libraries.mjs";
import { isPacked, LLAMA_CPP_PATHS } from "./source-tree.mjs";

/** In the package's folder. */
export const PACKED_SOURCES = "llama.cpp.tar.br";

/**
 * @param {string} source llama.cpp's tree
 * @param {string} archive
 */
export async function packSources(source, archive) {
  const temporary = temporaryName(archive);
  try {
    await create(
      {
        ...{ cwd: source, file: temporary, portable: true, mtime: new Date(0) },
        // Best and slowest: a minute, once for each release.
        brotli: /** @type {object} */ ({
          params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 },
        }),
        filter: isPacked,
      },
      LLAMA_CPP_PATHS,
    );
    await rename(temporary, archive);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * @param {string} archive
 * @param {string} target
 */
export async function unpackSources(archive, target) {
  await mkdir(target, { recursive: true });
  await extract({ file: archive, cwd: target, brotli: {}, strict: true });
}
