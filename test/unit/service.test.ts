import { expect, test } from "vitest";

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
