import { createHash, timingSafeEqual } from "node:crypto";

import { Problem } from "./problem.js";

/** Checks keys in a time that tells nothing of how nearly right they are. */
export class ApiKeys {
  readonly #digests: readonly Buffer[];

  constructor(keys: readonly string[]) {
    this.#digests = keys.map(digest);
  }

  /** Takes `Authorization: Bearer <key>`, or `x-api-key: <key>`. */
  check({ headers }: Request): void {
    if (this.#digests.length === 0) return;
    const bearer = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1];
    const key = bearer ?? headers.get("x-api-key");
    const given = digest(key ?? "");
    let known = false;
    for (const expected of this.#digests) known = timingSafeEqual(given, expected) || known;
    if (key !== null && known) return;
    const message = key === null ? "This server wants an API key, as Authorization: Bearer <key>" : "Wrong API key";
    throw new Problem("unauthorized", message, { headers: { "www-authenticate": "Bearer" } });
  }
}

function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
