import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

import { createAdaptorServer } from "@hono/node-server";

import { createApp } from "./app.js";
import type { ServerOptions } from "./server-options.js";
import { readServerOptions } from "./server-options.js";
import { Service } from "./service.js";

/** A listening server. */
export interface LlamaServer {
  /** Where it listens, e.g. `http://localhost:8000`. */
  readonly url: string;
  readonly port: number;
  /** Resolves when the models are loaded; rejects where one cannot be. */
  readonly ready: Promise<void>;
  /**
   * Drains: requests in work are answered, new ones get a 503, and after `deadlineMs` (default 30000) what still runs is
   * ended. Then stops listening and unloads the models. Idempotent.
   */
  close(options?: { deadlineMs?: number }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const defaultDeadlineMs = 30_000;

/**
 * Starts a server. Resolves as soon as it listens; the models are loaded by then or later, see `ready`. Rejects with
 * `INVALID_OPTION`, or with Node's own error where it cannot listen (`EADDRINUSE`).
 */
export async function createServer(options: ServerOptions): Promise<LlamaServer> {
  const { port, host, ...rest } = readServerOptions(options);
  const service = new Service({ ...rest, allowedHosts: [...(rest.allowedHosts ?? []), host] });
  const app = createApp(service);
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false, hostname: host }) as Server;
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    await service.dispose();
    throw error;
  }
  // A connection that cannot be taken, as where the process has no file descriptor left, must not end all others.
  server.on("error", (err) => service.options.log.error({ err }, "a connection could not be taken"));
  const address = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  const close = ({ deadlineMs = defaultDeadlineMs }: { deadlineMs?: number } = {}): Promise<void> =>
    (closing ??= (async () => {
      await service.drain(deadlineMs);
      await closeListener(server);
      await service.dispose();
    })());
  return {
    url: `http://${nameOf(host)}:${address.port}`,
    port: address.port,
    ready: service.ready,
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** What has been answered still gets to its client, for a moment. */
async function closeListener(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), 1000);
  await closed;
  clearTimeout(timer);
}

function nameOf(host: string): string {
  if (["127.0.0.1", "::1", "0.0.0.0", "::"].includes(host)) return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}
