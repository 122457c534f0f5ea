import type { Server } from "node:http";

import { expect, test, vi } from "vitest";

import { createServer } from "../../src/server/create-server.js";
import { silentLog } from "../../src/server/operation/log.js";

const listeners = vi.hoisted(() => [] as unknown[]);
vi.mock("@hono/node-server", async (original) => {
  const real = await original<{ createAdaptorServer: (options: unknown) => unknown }>();
  const createAdaptorServer = (options: unknown): unknown => {
    const server = real.createAdaptorServer(options);
    listeners.push(server);
    return server;
  };
  return { ...real, createAdaptorServer };
});

test("a connection that cannot be taken is told to the log, and the server goes on", async () => {
  const error = vi.fn();
  const log = { ...silentLog, error };
  const server = await createServer({ port: 0, models: "/models/a.gguf", loadOnDemand: true, log });
  const failure = Object.assign(new Error("accept EMFILE"), { code: "EMFILE" });
  (listeners[0] as Server).emit("error", failure);
  expect(error.mock.calls).toEqual([[{ err: failure }, "a connection could not be taken"]]);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  await server.close({ deadlineMs: 0 });
});
