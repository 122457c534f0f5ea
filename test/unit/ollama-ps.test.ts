import { describe, expect, test } from "vitest";

import type { PlainServices } from "../../src/server/dialect.js";
import { factsOf } from "../../src/server/models/model-facts.js";
import { PooledModel } from "../../src/server/models/model-pool.js";
import { ollama } from "../../src/server/ollama/dialect.js";

type Loaded = NonNullable<PooledModel["loaded"]>;

/** A loaded model, of which only its memory is of interest. */
function loadedModel(weights: object | undefined, shares: object[] | undefined): PooledModel {
  const entry = new PooledModel({ source: "/models/a.gguf" }, "a", 0);
  const model = { info: {}, metadata: {}, tokenizer: { special: {} }, chatTemplateSource: null, fit: weights };
  const context = { info: {}, fit: shares && { shares } };
  entry.loaded = { model, context } as unknown as Loaded;
  return entry;
}

function ps(entry: PooledModel): unknown {
  const route = ollama.routes.find(({ path }) => path === "/api/ps");
  if (route?.kind !== "plain") throw new Error("Expected a plain route at /api/ps");
  const services = { models: () => [factsOf(entry)] } as unknown as PlainServices;
  const input = { body: undefined, param: () => "", note: () => undefined, signal: AbortSignal.abort() };
  return (route.handle(input, services) as { models: unknown[] }).models[0];
}

const onCpu = { gpuLayers: 0, devices: [], weightBytes: 0 };
const ram = { where: "RAM", neededBytes: 5e6, availableBytes: 1e9 };

describe("size_vram of Ollama's list of loaded models", () => {
  test("is what weights and context take of devices, and nothing of RAM", () => {
    const onGpus = { gpuLayers: 9, devices: ["GPU0", "GPU1"], weightBytes: 4e9 };
    const shares = [ram, { where: "GPU0", neededBytes: 3e8, availableBytes: 1e9 }, { where: "GPU1", neededBytes: 1e8 }];
    expect(ps(loadedModel(onGpus, shares))).toMatchObject({ name: "a", size_vram: 4.4e9 });
  });

  test("is nothing on a CPU, and where nothing is known of the memory", () => {
    expect(ps(loadedModel(onCpu, [ram]))).toMatchObject({ size_vram: 0 });
    expect(ps(loadedModel(undefined, undefined))).toMatchObject({ size_vram: 0 });
  });
});
