import { LlamaModel } from "../../src/llama-model.js";
import type { ModelMemory } from "../../src/model/model-memory.js";
import { Model } from "../../src/model/model.js";
import type { ModelHandle } from "../../src/native/contract.js";
import type { FakeOptions } from "./fake-addon.js";
import { FakeAddon } from "./fake-addon.js";

export interface FakeSetup {
  addon: FakeAddon;
  model: LlamaModel;
  core: Model;
}

/** With `memory`, contexts are planned by what there is. */
export function fakeModel(options: FakeOptions = {}, memory?: ModelMemory): FakeSetup {
  const addon = new FakeAddon(options);
  const core = new Model(addon, {} as ModelHandle, "/models/fake.gguf", false, memory);
  return { addon, core, model: new LlamaModel(core) };
}

/** Lets everything that is ready run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
