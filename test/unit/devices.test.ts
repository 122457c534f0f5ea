import { describe, expect, it } from "vitest";

import type { DeviceWish } from "../../src/model/devices.js";
import { chooseDevices, divide, toNativeDevices } from "../../src/model/devices.js";
import { overriddenWeights } from "../../src/model/model-shape.js";
import type { NativeAddon, NativeDevice } from "../../src/native/contract.js";

const device = (name: string, more: Partial<NativeDevice> = {}): NativeDevice => ({
  name,
  description: "",
  type: "gpu",
  backend: "CUDA",
  freeBytes: 8e9,
  totalBytes: 8e9,
  splitsRows: true,
  ...more,
});
const cpu = device("CPU", { type: "cpu", backend: "CPU", splitsRows: false });
const integrated = device("Vulkan0", { type: "integrated-gpu", backend: "Vulkan", splitsRows: false });
const found = [device("CUDA0"), device("CUDA1", { freeBytes: 2e9 }), integrated, cpu];
const wish = (more: Partial<DeviceWish> = {}): DeviceWish => ({
  devices: undefined,
  splitMode: "layer",
  mainGpu: undefined,
  tensorSplit: undefined,
  tensorOverrides: [],
  ...more,
});
const addon = { systemInfo: () => ({ devices: found }) } as unknown as NativeAddon;

describe("the devices of a load", () => {
  it.each<[Partial<DeviceWish>, string[]]>([
    [{}, ["CUDA0", "CUDA1"]],
    [{ devices: [] }, []],
    [{ devices: ["CUDA1", "CUDA0"] }, ["CUDA1", "CUDA0"]],
    [{ devices: ["Vulkan0"] }, ["Vulkan0"]],
    [{ splitMode: "none" }, ["CUDA0"]],
    [{ splitMode: "none", mainGpu: "CUDA1" }, ["CUDA1"]],
    [{ splitMode: "row" }, ["CUDA0", "CUDA1"]],
    [{ tensorSplit: [3, 1] }, ["CUDA0", "CUDA1"]],
  ])("by %j are %j", (given, names) => {
    expect(chooseDevices(found, wish(given)).map(({ name }) => name)).toEqual(names);
  });

  it.each<[Partial<DeviceWish>, string]>([
    [{ devices: ["GPU0"] }, 'Expected one of "CUDA0", "CUDA1", "Vulkan0" for devices[0] but received "GPU0"'],
    [{ devices: ["CPU"] }, 'Expected one of "CUDA0", "CUDA1", "Vulkan0" for devices[0] but received "CPU"'],
    [{ devices: ["CUDA0", "CUDA0"] }, 'Expected each device once for devices[1] but received "CUDA0"'],
    [
      { devices: ["CUDA0"], splitMode: "none", mainGpu: "CUDA1" },
      'Expected one of "CUDA0" for mainGpu but received "CUDA1"',
    ],
    [
      { devices: ["Vulkan0"], splitMode: "row" },
      'Expected "layer" or "none" with Vulkan0 (Vulkan) for splitMode but received "row"',
    ],
    [{ tensorSplit: [1] }, "Expected one number for each of 2 devices (CUDA0, CUDA1) for tensorSplit"],
    [{ devices: [], tensorSplit: [1] }, "Expected one number for each of 0 devices for tensorSplit"],
    [
      { devices: ["CUDA0"], tensorOverrides: [{ pattern: "ffn", device: "CUDA1" }] },
      'Expected one of "CPU", "CUDA0" for tensorOverrides["ffn"] but received "CUDA1"',
    ],
  ])("by %j are refused", (given, message) => {
    expect(() => chooseDevices(found, wish(given))).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringContaining(message) }),
    );
  });

  it("cannot be named where there is none", () => {
    expect(() => chooseDevices([cpu], wish({ devices: ["CUDA0"] }))).toThrow(
      'Expected nothing, as the addon in use finds no GPU here, for devices[0] but received "CUDA0"',
    );
    expect(chooseDevices([cpu], wish({ devices: [] }))).toEqual([]);
  });

  it("are left to llama.cpp where nothing is said of them", () => {
    expect(toNativeDevices(addon, wish())).toMatchObject({ devices: null, splitMode: "layer" });
  });

  it("reach the addon by name, with the proportions that memory is planned by", () => {
    const overrides = [{ pattern: "ffn", device: "CPU" }];
    const native = toNativeDevices(addon, wish({ splitMode: "row", tensorOverrides: overrides }));
    expect(native).toEqual({
      devices: ["CUDA0", "CUDA1"],
      splitMode: "row",
      tensorSplit: Float32Array.of(8e9, 2e9),
      tensorOverrides: overrides,
    });
    const one = toNativeDevices(addon, wish({ splitMode: "none", mainGpu: "CUDA1" }));
    expect(one).toMatchObject({ devices: ["CUDA1"], splitMode: "layer", tensorSplit: new Float32Array() });
  });

  it("share a model as they are asked to", () => {
    const division = divide(found, wish({ splitMode: "row", tensorSplit: [1, 3] }), 64e9);
    expect(division).toMatchObject({ devices: [{ name: "CUDA0" }, { name: "CUDA1" }], split: [1, 3], rows: true });
  });
});

describe("tensors on devices of their own", () => {
  const tensor = (name: string, sizeBytes: number) => ({ name, type: "f16", shape: [1], sizeBytes, entryOffset: 0 });

  it("are those that the first pattern is found in", () => {
    const tensors = [tensor("token_embd.weight", 1), tensor("blk.0.ffn_up_exps.weight", 2), tensor("output.weight", 3)];
    const overrides = [
      { pattern: "ffn_.*_exps", device: "CPU" },
      { pattern: "weight$", device: "CUDA0" },
    ];
    expect(overriddenWeights(tensors, 4, overrides)).toEqual([
      { layer: undefined, bytes: 1, device: "CUDA0" },
      { layer: 0, bytes: 2, device: "CPU" },
      { layer: 4, bytes: 3, device: "CUDA0" },
    ]);
    expect(overriddenWeights(tensors, 4, [])).toEqual([]);
  });
});
