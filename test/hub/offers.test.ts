// What there is of a model where the hub cannot be asked.

import { randomBytes } from "node:crypto";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { resolveModel } from "../../src/hub/index.js";
import type { Offers } from "../../src/hub/offers.js";
import { listOffers } from "../../src/hub/offers.js";
import type { HubServer } from "../support/hub/hub-server.js";
import { startHub } from "../support/hub/hub-server.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox } from "../support/hub/sandbox.js";

const name = "owner/model-GGUF";

let hub: HubServer;
let sandbox: Sandbox;

beforeEach(async () => {
  const files = ["a.Q4_K_M.gguf", "a.Q8_0.gguf"].map((file, index) => [file, randomBytes(1000 + index)]);
  hub = await startHub({ [name]: { files: Object.fromEntries(files) as Record<string, Buffer> } });
  sandbox = await enterSandbox(hub.url);
  await resolveModel(`hf:${name}:Q4_K_M`);
  await resolveModel(`hf:${name}:Q8_0`);
});

afterEach(async () => {
  await hub.close();
  await sandbox.leave();
});

const offline = (source: string): Promise<Offers> => listOffers(source, { offline: true });
async function inTrouble(source: string): Promise<Offers> {
  hub.behave = () => ({ status: 401 });
  return listOffers(source, {});
}

describe.each([
  ["offline", offline],
  ["when the hub refuses", inTrouble],
])("a model in the cache %s", (_, list) => {
  it.each([
    ["/a.Q8_0.gguf", ["a.Q8_0.gguf"]],
    [":Q4", ["a.Q4_K_M.gguf"]],
    [":q4_k_m", ["a.Q4_K_M.gguf"]],
    ["", ["a.Q4_K_M.gguf", "a.Q8_0.gguf"]],
  ])("is the one that is meant by %j", async (which, expected) => {
    const { offers, problem } = await list(`hf:${name}${which}`);
    expect(offers.map(({ fileName }) => fileName)).toEqual(expected);
    expect(problem).toBeDefined();
  });

  it("is an error where another one is meant", async () => {
    await expect(list(`hf:${name}:Q5`)).rejects.toMatchObject({ name: "LlamaError" });
  });
});

it("of two commits a file is shown once, as the newer one has it", async () => {
  const newer = randomBytes(1500);
  hub.repositories.get(name)!.files["a.Q8_0.gguf"] = newer;
  await resolveModel(`hf:${name}:Q8_0`, { refresh: true });
  const { offers } = await offline(`hf:${name}`);
  expect(offers.map(({ fileName, sizeBytes }) => [fileName, sizeBytes])).toEqual([
    ["a.Q4_K_M.gguf", 1000],
    ["a.Q8_0.gguf", 1500],
  ]);
});
