// The memory of models that are loaded, in use, and on their way out.

import { afterEach, describe, expect, test, vi } from "vitest";

import type { Lease, PooledModel, PoolOptions } from "../../src/server/models/model-pool.js";
import { ModelPool } from "../../src/server/models/model-pool.js";
import { silentLog } from "../../src/server/operation/log.js";

/** Settles when a test says so. */
class Gate {
  open!: () => void;
  readonly passed = new Promise<void>((resolve) => (this.open = resolve));
}

const disposals = new Map<string, Gate>();
let failure: Error | undefined;
/** Reading a model's header takes until it opens. */
let reading: Gate | undefined;
const loads: string[] = [];

vi.mock("../../src/hub/index.js", () => ({
  identifyModel: () => ({ names: [] }),
  resolveModel: async (source: string) => source,
}));
vi.mock("../../src/server/models/model-needs.js", () => ({
  modelNeeds: async () => {
    await reading?.passed;
    return { context: {}, load: {}, memories: new Map([["RAM", 60]]), bytes: 60 };
  },
}));
vi.mock("../../src/native/load-addon.js", () => ({
  loadAddon: () => ({ systemInfo: () => ({ devices: [] }) }),
}));
vi.mock("../../src/load-model.js", () => ({
  loadModel: async (path: string) => {
    loads.push(path);
    const gate = new Gate();
    disposals.set(path, gate);
    const dispose = async (): Promise<void> => {
      if (failure !== undefined) throw failure;
      return gate.passed;
    };
    return { metadata: {}, info: { canGenerate: true }, createContext: async () => ({}), dispose };
  },
}));

afterEach(() => {
  for (const gate of disposals.values()) gate.open();
  disposals.clear();
  loads.length = 0;
  failure = undefined;
  reading = undefined;
});

const never = new AbortController().signal;
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

function make(memoryBudgetBytes: number, more: Partial<PoolOptions> = {}): ModelPool {
  const models = ["/a.gguf", "/b.gguf", "/c.gguf"].map((source) => ({ source }));
  return new ModelPool(models, { memoryBudgetBytes, idleUnloadMs: 0, log: silentLog, ...more });
}

function named(pool: ModelPool, id: string): PooledModel {
  return pool.models.find((model) => model.id === id)!;
}

async function use(pool: ModelPool, name: string, signal = never): Promise<void> {
  (await pool.acquire(named(pool, name), signal)).release();
}

describe("a model that is being unloaded", () => {
  test("counts against the budget until its memory is free", async () => {
    const pool = make(100);
    await use(pool, "a");
    let isLoaded = false;
    const second = use(pool, "b").then(() => (isLoaded = true));
    await turn();
    expect([loads, isLoaded]).toEqual([["/a.gguf"], false]);
    expect(named(pool, "a").loaded).toBeUndefined();
    disposals.get("/a.gguf")!.open();
    await second;
    expect(loads).toEqual(["/a.gguf", "/b.gguf"]);
  });

  test("is loaded again only when it is gone", async () => {
    const pool = make(100);
    await use(pool, "a");
    pool.unload(named(pool, "a"));
    const again = use(pool, "a");
    await turn();
    expect(loads).toEqual(["/a.gguf"]);
    disposals.get("/a.gguf")!.open();
    await again;
    expect(loads).toEqual(["/a.gguf", "/a.gguf"]);
  });

  test("is waited for where there is room for it twice, so that it counts once", async () => {
    const pool = make(130);
    await use(pool, "a");
    pool.unload(named(pool, "a"));
    const uses = Promise.all([use(pool, "a"), use(pool, "b")]);
    await turn();
    expect(loads).toEqual(["/a.gguf"]);
    disposals.get("/a.gguf")!.open();
    await uses;
    expect(loads).toEqual(["/a.gguf", "/a.gguf", "/b.gguf"]);
  });

  test("is gone all the same where that fails, as the log tells", async () => {
    const error = vi.fn();
    const pool = make(100, { log: { ...silentLog, error } });
    await use(pool, "a");
    failure = new Error("it holds on");
    await use(pool, "b");
    pool.unload(named(pool, "b"));
    await turn(); // with nobody who would hear of a rejection
    expect(error.mock.calls).toEqual([
      [{ model: "a", why: "room", err: failure }, "a model could not be unloaded"],
      [{ model: "b", why: "asked", err: failure }, "a model could not be unloaded"],
    ]);
    await pool.dispose();
  });

  test("keeps nobody waiting where it is gone before another one's header is read", async () => {
    const pool = make(100);
    await use(pool, "a");
    reading = new Gate();
    const second = use(pool, "b");
    await turn();
    pool.unload(named(pool, "a"));
    disposals.get("/a.gguf")!.open();
    await turn();
    reading.open();
    await second;
    expect(loads).toEqual(["/a.gguf", "/b.gguf"]);
  });

  test("leaves the others alone where it made room while a header was read", async () => {
    const pool = make(130);
    await use(pool, "a");
    const second = await pool.acquire(named(pool, "b"), never);
    reading = new Gate();
    const third = use(pool, "c").then(() => "in");
    await turn();
    pool.unload(named(pool, "a"));
    disposals.get("/a.gguf")!.open();
    await turn();
    reading.open();
    expect(await Promise.race([third, turn()])).toBe("in");
    second.release();
    expect(named(pool, "b").loaded).toBeDefined();
  });

  test("keeps nobody waiting where there is room for both", async () => {
    const pool = make(200);
    await use(pool, "a");
    pool.unload(named(pool, "a"));
    await use(pool, "b");
    expect(loads).toEqual(["/a.gguf", "/b.gguf"]);
  });
});

test("a model that others use makes no room for one that nobody waits for any more", async () => {
  const pool = make(100);
  const first = await pool.acquire(named(pool, "a"), never);
  const client = new AbortController();
  const left = use(pool, "b", client.signal);
  await turn();
  let second: Lease | undefined;
  const queued = pool.acquire(named(pool, "a"), never).then((lease) => (second = lease));
  await turn();
  expect(second).toBeUndefined(); // as b would else be waited for without end
  client.abort(new Error("The client has gone"));
  await expect(left).rejects.toThrow("The client has gone");
  await queued;
  first.release();
  second?.release();
  await turn();
  expect([loads, named(pool, "a").loaded !== undefined]).toEqual([["/a.gguf"], true]);
  const again = use(pool, "b");
  await turn();
  disposals.get("/a.gguf")!.open();
  await again;
  expect(loads).toEqual(["/a.gguf", "/b.gguf"]);
});

test("who leaves while a model is loaded starts no time of its idleness", async () => {
  vi.useFakeTimers();
  try {
    const pool = make(100, { idleUnloadMs: 1000 });
    reading = new Gate();
    const client = new AbortController();
    const left = use(pool, "a", client.signal);
    client.abort(new Error("The client has gone"));
    await expect(left).rejects.toThrow("The client has gone");
    await vi.advanceTimersByTimeAsync(900);
    reading.open();
    await vi.advanceTimersByTimeAsync(900);
    expect(named(pool, "a").loaded).toBeDefined();
    await vi.advanceTimersByTimeAsync(200);
    expect(named(pool, "a").loaded).toBeUndefined();
  } finally {
    vi.useRealTimers();
  }
});

test("who waits for room hears that the server shuts down", async () => {
  const pool = make(100);
  const first = await pool.acquire(named(pool, "a"), never);
  const second = use(pool, "b");
  await turn();
  disposals.get("/a.gguf")!.open();
  const closed = pool.dispose();
  await expect(second).rejects.toMatchObject({ code: "draining" });
  first.release();
  await closed;
});
