import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { sha256 } from "./hub-server.js";

/** Writes what `ollama pull` leaves of a model, `owner/name/tag`, and returns its blob. */
export async function pulledByOllama(folder: string, name: string, content: Buffer): Promise<string> {
  const digest = sha256(content);
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    config: {
      mediaType: "application/vnd.docker.container.image.v1+json",
      digest: `sha256:${sha256(Buffer.from("{}"))}`,
    },
    layers: [
      { mediaType: "application/vnd.ollama.image.model", digest: `sha256:${digest}`, size: content.length },
      { mediaType: "application/vnd.ollama.image.template", digest: `sha256:${sha256(Buffer.from("t"))}`, size: 1 },
    ],
  };
  const path = join(folder, "manifests", "registry.ollama.ai", ...name.split("/"));
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, JSON.stringify(manifest));
  const blob = join(folder, "blobs", `sha256-${digest}`);
  await mkdir(join(blob, ".."), { recursive: true });
  await writeFile(blob, content);
  return blob;
}
