import { isIP } from "node:net";

import { Problem } from "./problem.js";

/**
 * Refuses requests for foreign host names. A web page can point a name of its own at this machine (DNS rebinding) and is
 * then free to read what this server says; addresses cannot be pointed anywhere.
 */
export class HostCheck {
  readonly #names: ReadonlySet<string>;

  constructor(names: readonly string[]) {
    this.#names = new Set(["localhost", ...names].map((name) => name.toLowerCase()));
  }

  check(request: Request): void {
    const { hostname } = new URL(request.url);
    const name = hostname.replace(/^\[|\]$/g, "");
    if (isIP(name) !== 0 || this.#names.has(name) || name.endsWith(".localhost")) return;
    const message = `Requests for the host ${name} are not answered here; --allowed-host makes them so`;
    throw new Problem("host_not_allowed", message);
  }
}
