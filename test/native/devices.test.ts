// What can be said of devices where there is none but the CPU. `npm run proof:vulkan` has layers on devices.

import { resolve } from "node:path";

import { afterAll, describe, expect, it } from "vitest";

import type { LlamaModel, LoadModelOptions } from "../../src/index.js";
import { loadModel, systemInfo } from "../../src/index.js";
import type { NativeDevicePlan } from "../../src/native/contract.js";
import { loadAddon } from "../../src/native/load-addon.js";
import { tinyModel } from "../support/models.js";

const models: LlamaModel[] = [];
afterAll(() => Promise.all(models.map((model) => model.dispose())));

async function answer(options: LoadModelOptions): Promise<number[]> {
  const model = await loadModel(await tinyModel(), options);
  models.push(model);
  const context = await model.createContext({ contextSize: 256 });
  const { tokens } = await context.generate({
    prompt: "One two three",
    temperature: 0,
    maxTokens: 16,
    ignoreEos: true,
  });
  return [...tokens];
}

describe("without a GPU", () => {
  it("tensors may be kept in RAM by name, and no device be used", async () => {
    const usual = await answer({});
    expect(await answer({ tensorOverrides: { "ffn_(up|down)": "CPU" }, devices: [] })).toEqual(usual);
    expect(await answer({ tensorOverrides: { ".*": "CPU" }, useMmap: false })).toEqual(usual);
  });

  it("devices are refused before anything is fetched", async () => {
    await expect(loadModel("hf:nobody/nothing", { devices: ["CUDA0"], offline: true })).rejects.toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringContaining("devices[0]") }),
    );
  });

  it("an expression that C++ does not know is refused", async () => {
    await expect(loadModel(await tinyModel(), { tensorOverrides: { "(?<=ffn)_up": "CPU" } })).rejects.toThrow(
      expect.objectContaining({
        code: "INVALID_OPTION",
        message: expect.stringMatching(
          /^Expected regular expressions for tensorOverrides but received "\(\?<=ffn\)_up" \(/,
        ),
      }),
    );
  });

  it("the list of devices has the CPU's memory, and nothing is warned of", () => {
    const { devices, backendWarnings } = systemInfo("cpu");
    expect(backendWarnings).toEqual([]);
    const [device] = devices.filter(({ type }) => type === "cpu");
    expect(device).toMatchObject({ name: "CPU", splitsRows: false });
    expect(device!.freeBytes).toBeGreaterThan(0);
    expect(device!.freeBytes).toBeLessThanOrEqual(device!.totalBytes);
  });
});

describe("the addon itself refuses", () => {
  const plan: NativeDevicePlan = {
    devices: null,
    splitMode: "layer",
    tensorSplit: new Float32Array(),
    tensorOverrides: [],
  };

  it.each<[Partial<Record<keyof NativeDevicePlan, unknown>>, string]>([
    [{ devices: ["CPU"] }, 'Expected GPUs for devices but received "CPU"'],
    [{ devices: ["GPU9"] }, 'Expected the name of a device for devices but received "GPU9"'],
    [{ devices: [1] }, "devices"],
    [{ splitMode: "tensor" }, 'Expected "layer" or "row" for splitMode but received "tensor"'],
    [{ devices: [], tensorSplit: Float32Array.of(1) }, "Expected one number for each of 0 devices for tensorSplit"],
    [{ tensorSplit: Float32Array.of(1) }, "Expected one number for each of 0 devices for tensorSplit"],
    [{ tensorSplit: [1] }, "Float32Array"],
    [{ tensorOverrides: [{ pattern: "(", device: "CPU" }] }, "Expected regular expressions for tensorOverrides"],
    [{ tensorOverrides: [{ pattern: "a", device: "GPU9" }] }, 'for tensorOverrides but received "GPU9"'],
    [
      { tensorOverrides: Array.from({ length: 4096 }, () => ({ pattern: "a", device: "CPU" })) },
      "fewer than 4096 patterns",
    ],
  ])("%o", async (given, message) => {
    const addon = loadAddon();
    const load = async (): Promise<unknown> =>
      addon.modelLoad({
        path: resolve(await tinyModel()),
        loadMode: "mmap",
        vocabularyOnly: false,
        checkTensors: false,
        gpuLayers: 0,
        repack: true,
        metadataOverrides: [],
        onProgress: null,
        ...plan,
        ...(given as Partial<NativeDevicePlan>),
      }).promise;
    await expect(load()).rejects.toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringContaining(message) }),
    );
  });
});
