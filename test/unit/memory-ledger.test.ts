// What a process has planned and not taken yet, where the system says how much is free.

import { beforeEach, describe, expect, it, vi } from "vitest";

import type * as MachineMemory from "../../src/model/machine-memory.js";
import { readLoadOptions } from "../../src/model/load-options.js";
import { availableMemory, ramMemory, reserve, reservedBytes } from "../../src/model/memory-ledger.js";
import type { ModelMemory } from "../../src/model/model-memory.js";
import { LoadMemory } from "../../src/model/model-memory.js";
import { inRam } from "../../src/model/placement.js";
import type { NativeContextStats } from "../../src/native/contract.js";
import { tinyModel } from "../support/models.js";
import type { FakeSetup } from "./fake-model.js";
import { fakeModel } from "./fake-model.js";
import { mistral } from "./mistral-shape.js";

const machine = vi.hoisted(() => ({ bytes: 0, addressBytes: Infinity }));
vi.mock("../../src/model/machine-memory.js", async (original) => ({
  ...(await original<typeof MachineMemory>()),
  freeMemory: () => ({ limit: "memory", ...machine }),
}));

const memory: ModelMemory = {
  shape: mistral(4_367_000_000),
  mappedBytes: 0,
  staysMapped: false,
  placement: inRam,
  fit: { gpuLayers: 0, devices: [], weightBytes: 0, reason: "" },
};

let setup: FakeSetup;

beforeEach(() => {
  Object.assign(machine, { bytes: 6e9, addressBytes: Infinity });
  setup = fakeModel({ info: { contextLength: 32_768 } }, memory);
});

/** Contexts are made from then on when the function that is returned is called. */
function hold(): () => void {
  let go!: () => void;
  setup.addon.holdContextCreate = new Promise<void>((resolve) => (go = resolve));
  return go;
}

const sizes = (): number[] => setup.addon.contexts.map(({ params }) => params.contextSize);

describe("memory that is set aside", () => {
  it("is no longer available, until it is given back", () => {
    machine.addressBytes = 9e9;
    let left = 2e9;
    const release = [
      reserve([{ where: ramMemory, bytes: 1e9 }]),
      reserve([
        { where: ramMemory, bytes: () => left },
        { where: "GPU0", bytes: 3e9 },
      ]),
    ];
    expect(availableMemory()).toEqual({ bytes: 3e9, limit: "memory", addressBytes: 6e9 });
    left = 0.5e9;
    expect([reservedBytes(ramMemory), reservedBytes("GPU0"), reservedBytes("GPU1")]).toEqual([1.5e9, 3e9, 0]);
    left = 7e9;
    expect(availableMemory().bytes).toBe(0);
    for (const one of release) one();
    expect(availableMemory()).toEqual({ bytes: 6e9, limit: "memory", addressBytes: 9e9 });
  });
});

describe("contexts that are made at the same time", () => {
  it("share what there is, in place of planning with all of it each", async () => {
    const go = hold();
    const made = Promise.all([1, 2].map(() => setup.model.createContext({ contextSize: "auto" })));
    expect(reservedBytes(ramMemory)).toBeGreaterThan(5e9);
    go();
    const contexts = await made;
    const [first = 0, second = 0] = sizes();
    expect(first).toBe(32_768);
    expect(second).toBeGreaterThan(2048);
    expect(second).toBeLessThan(16_384);
    expect(contexts.reduce((sum, { fit }) => sum + (fit?.neededBytes ?? 0), 0)).toBeLessThan(6e9);
    expect(reservedBytes(ramMemory)).toBe(0); // the system counts them now
  });

  it("are refused where the first ones leave too little", async () => {
    machine.bytes = 4.8e9;
    const go = hold();
    const first = setup.model.createContext({ contextSize: "auto" });
    await expect(setup.model.createContext({ contextSize: 8192 })).rejects.toMatchObject({
      code: "INSUFFICIENT_MEMORY",
    });
    go();
    await first;
  });

  it("set nothing aside any more where making one failed", async () => {
    setup.addon.failContextCreate = Object.assign(new Error("no room"), { code: "INSUFFICIENT_MEMORY" });
    await expect(setup.model.createContext()).rejects.toMatchObject({ code: "INSUFFICIENT_MEMORY" });
    expect(reservedBytes(ramMemory)).toBe(0);
  });

  it("leave room for a context of embeddings, which leaves room for them", async () => {
    const go = hold();
    const vector = setup.model.embed("x");
    await vi.waitFor(() => expect(reservedBytes(ramMemory)).toBeGreaterThan(0));
    go();
    await vector;
    expect(reservedBytes(ramMemory)).toBe(0);
  });
});

it("a context of a model whose header decides nothing is refused by what its cache takes at least", async () => {
  const { model, addon } = fakeModel({ info: { layerCount: 32, headCount: 8, headCountKv: 2, embeddingLength: 1024 } });
  await expect(model.createContext({ contextSize: 262_144 })).rejects.toMatchObject({
    code: "INSUFFICIENT_MEMORY",
    message:
      "A KV cache of 262144 tokens takes 8.59 GB, but 5.76 GB are available for it; choose a smaller contextSize, or a kvType of fewer bits",
    details: { contextSize: 262_144 },
  });
  expect(addon.calls).toEqual([]);
  await model.createContext({ contextSize: 262_144, kvType: "q4_0" });
  expect(addon.calls).toEqual(["contextCreate"]);
});

it("a chat's context is planned when it is made, by what there is then", async () => {
  setup.addon.answer = () => "Hello!";
  const chat = setup.model.createChat({ context: { contextSize: "auto" } });
  expect(reservedBytes(ramMemory)).toBe(0);
  machine.bytes = 1e9;
  await chat.send("Hi");
  expect(sizes()).toHaveLength(1);
  expect(sizes()[0]).toBeLessThan(8192);
  machine.bytes = 0.01e9;
  expect(() => setup.model.createChat()).toThrow(expect.objectContaining({ code: "INSUFFICIENT_MEMORY" }));
});

it("what a context's second tier has yet to fill is set aside, until the context ends", async () => {
  let storedBytes = 0;
  setup.addon.contextStats = () => ({ storedBytes }) as unknown as NativeContextStats;
  const context = await setup.model.createContext({ contextSize: 1024, ramCacheSize: 3e9 });
  expect(reservedBytes(ramMemory)).toBe(3e9);
  await expect(setup.model.createContext({ contextSize: 32_768 })).rejects.toThrow(
    /^A context of 32768 tokens .* 2\.88 GB/,
  );
  storedBytes = 1e9;
  expect(reservedBytes(ramMemory)).toBe(2e9);
  await context.dispose();
  expect(reservedBytes(ramMemory)).toBe(0);
});

it("a load sets aside what is not in memory yet", async () => {
  const load = await LoadMemory.plan(setup.addon, await tinyModel(), readLoadOptions({}));
  const all = reservedBytes(ramMemory);
  expect(all).toBeGreaterThan(20e6);
  load?.loaded(0.75);
  expect(reservedBytes(ramMemory)).toBeCloseTo(all / 4, -1);
  load?.loaded(0.5);
  expect(reservedBytes(ramMemory)).toBeCloseTo(all / 4, -1);
  load?.release();
  expect(reservedBytes(ramMemory)).toBe(0);
});
