import { createHash } from "node:crypto";
import { join } from "node:path";

import { modelsDirectory } from "./cache.js";

/** Parts of a query that sign it for a while, and name nothing. */
const signature = /^(x-(amz|goog)-.*|signature|expires|policy|key-pair-id)$/i;

/** Where the file of a URL is kept: in a folder of its own, but for the parts of one split model, which share theirs. */
export function urlPath(url: string): string {
  // Names that a file system cannot have, or takes for each other, are told apart by the folder.
  const asked = new URL(withoutSignature(url));
  asked.pathname = asked.pathname.replace(/-\d{5}(-of-\d{5}\.gguf)$/i, "$1");
  const folder = createHash("sha256").update(asked.href).digest("hex").slice(0, 12);
  const name = fileNameOf(url).replace(/[^\w.-]/g, "_") || "model";
  const fileName = /\.gguf$/i.test(name) ? name : `${name}.gguf`;
  return join(modelsDirectory(), "downloads", `${asked.host.replace(/[^\w.-]/g, "_")}-${folder}`, fileName);
}

/** The same for every link to it, however and until whenever that is signed. */
export function withoutSignature(url: string): string {
  const unsigned = new URL(url);
  const kept = [...unsigned.searchParams].filter(([name]) => !signature.test(name));
  unsigned.search = new URLSearchParams(kept).toString();
  unsigned.hash = "";
  return unsigned.href;
}

/** All files of a split model by its first one's path or URL; of any other that alone. */
export function partsOf(url: string): string[] {
  const [, before, count, after = ""] = /^(.*)-00001-of-(\d{5})(\.gguf(?:\?.*)?)$/i.exec(url) ?? [];
  if (before === undefined || count === undefined) return [url];
  return Array.from({ length: Number(count) }, (_, index) => {
    return `${before}-${String(index + 1).padStart(5, "0")}-of-${count}${after}`;
  });
}

/** The last part of a URL's path, as people read it. */
export function fileNameOf(url: string): string {
  const name = new URL(url).pathname.split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
