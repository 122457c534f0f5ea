import { expect, test, vi } from "vitest";

import { createFetchHandler } from "../../src/server/create-fetch-handler.js";
import { readHandlerOptions } from "../../src/server/server-options.js";
import { Service } from "../../src/server/service.js";

test("everybody who waits for a server's last requests hears of their end", async () => {
  const service = new Service(readHandlerOptions({ models: "/models/a.gguf", loadOnDemand: true }));
  await service.ready;
  const stop = new AbortController();
  const end = service.begin(stop);
  stop.signal.addEventListener("abort", end);
  const patient = service.drain(60_000);
  const hasty = service.drain(0);
  await Promise.all([patient, hasty]);
  expect(stop.signal.reason).toMatchObject({ code: "draining" });
  await service.dispose();
});

test("a server's last requests get all the time that they need where there is no limit", async () => {
  const service = new Service(readHandlerOptions({ models: "/models/a.gguf", loadOnDemand: true }));
  await service.ready;
  const stop = new AbortController();
  const end = service.begin(stop);
  const drained = service.drain(Infinity);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(stop.signal.aborted).toBe(false);
  end();
  await drained;
  await service.dispose();
});

test("a request that is refused leaves no timer behind", async () => {
  const handler = createFetchHandler({ models: "/models/a.gguf", loadOnDemand: true });
  await handler.ready;
  await handler.close();
  vi.useFakeTimers();
  try {
    const { status } = await handler("http://localhost/v1/completions", { method: "POST", body: "{}" });
    expect([status, vi.getTimerCount()]).toEqual([503, 0]);
  } finally {
    vi.useRealTimers();
  }
});
