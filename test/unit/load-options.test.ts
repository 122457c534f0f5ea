import { describe, expect, it } from "vitest";

import { readLoadOptions, toNativeLoadOptions } from "../../src/model/load-options.js";

const llamaChooses = {
  devices: null,
  splitMode: "layer",
  tensorSplit: new Float32Array(),
  tensorOverrides: [],
} as const;
const native = (options: unknown): unknown =>
  toNativeLoadOptions("/m.gguf", readLoadOptions(options), { ...llamaChooses, tensorOverrides: [] });

it("has defaults", () => {
  expect(native(undefined)).toEqual({
    path: "/m.gguf",
    loadMode: "mmap",
    vocabularyOnly: false,
    checkTensors: false,
    gpuLayers: -1,
    ...llamaChooses,
    repack: true,
    metadataOverrides: [],
  });
});

it.each([
  [{ useMlock: true }, "mmap+mlock"],
  [{ useMmap: false }, "read"],
  [{ useMmap: false, useMlock: true }, "mlock"],
  [{ directIo: true }, "direct-io"],
  [{ directIo: true, useMmap: false }, "direct-io"],
])("reads %j as %s", (options, loadMode) => {
  expect(native(options)).toMatchObject({ loadMode });
});

it.each([
  ["auto", -1],
  ["all", -1],
  [0, 0],
  [33, 33],
])("reads gpuLayers %j as %d", (gpuLayers, expected) => {
  expect(native({ gpuLayers })).toMatchObject({ gpuLayers: expected });
});

it("tells the types of metadata overrides", () => {
  const metadataOverrides = {
    "a.int": 3,
    "a.big": 5n,
    "a.float": 0.5,
    "a.bool": false,
    "a.text": "x",
    "a.typed": { type: "float", value: 10000 },
  };
  expect(native({ metadataOverrides })).toMatchObject({
    metadataOverrides: [
      { key: "a.int", type: "int", value: 3 },
      { key: "a.big", type: "int", value: 5 },
      { key: "a.float", type: "float", value: 0.5 },
      { key: "a.bool", type: "bool", value: false },
      { key: "a.text", type: "string", value: "x" },
      { key: "a.typed", type: "float", value: 10000 },
    ],
  });
});

describe("refuses", () => {
  it.each([
    [{ useMap: true }, '(did you mean "useMmap"?) for an option name of loadModel but received "useMap"'],
    [{ gpuLayers: -1 }, 'Expected a number of layers, "auto" or "all" for gpuLayers but received -1'],
    [{ gpuLayers: "most" }, 'for gpuLayers but received "most"'],
    [{ devices: "GPU0" }, 'Expected an array of devices\' names for devices but received "GPU0"'],
    [{ devices: ["GPU0", 1] }, "Expected a non-empty string for devices[1] but received 1"],
    [{ splitMode: "rows" }, 'Expected one of "layer", "row", "none" for splitMode but received "rows"'],
    [{ mainGpu: "GPU0" }, 'Expected nothing without the splitMode "none" for mainGpu but received "GPU0"'],
    [{ splitMode: "none", tensorSplit: [1] }, 'Expected nothing together with the splitMode "none" for tensorSplit'],
    [{ tensorSplit: [1, -1] }, "Expected a finite number of at least 0 for tensorSplit[1] but received -1"],
    [{ tensorSplit: [0, 0] }, "Expected numbers with one above 0 for tensorSplit"],
    [{ tensorSplit: [] }, "Expected numbers with one above 0 for tensorSplit"],
    [
      { tensorOverrides: { "ffn(": "CPU" } },
      'Expected a regular expression for a key of tensorOverrides but received "ffn("',
    ],
    [{ tensorOverrides: { ffn: 1 } }, 'Expected a non-empty string for tensorOverrides["ffn"] but received 1'],
    [{ directIo: true, useMmap: true }, "Expected false together with directIo for useMmap but received true"],
    [{ directIo: true, useMlock: true }, "Expected false together with directIo for useMlock but received true"],
    [{ signal: {} }, "Expected an AbortSignal for signal"],
    [{ onProgress: 1 }, "Expected a function for onProgress but received 1"],
    [{ metadataOverrides: { k: null } }, 'for metadataOverrides["k"] but received null'],
    [{ metadataOverrides: { k: NaN } }, 'for metadataOverrides["k"] but received NaN'],
    [{ metadataOverrides: { k: 2n ** 60n } }, 'for metadataOverrides["k"] but received 1152921504606846976n'],
    [{ metadataOverrides: { k: "é".repeat(64) } }, 'for metadataOverrides["k"] but received a string of 64 characters'],
    [{ metadataOverrides: { ["k".repeat(128)]: 1 } }, "1 to 127 bytes of text for a key of metadataOverrides"],
    [{ metadataOverrides: { k: { type: "int", value: 1.5 } } }, 'for metadataOverrides["k"] but received 1.5'],
  ])("%o", (options, message) => {
    expect(() => readLoadOptions(options)).toThrow(message);
  });
});

it("takes what is known of the context that is to be made, and refuses what no context could be", () => {
  const { plannedContext } = readLoadOptions({ plannedContext: { contextSize: 8192, kvType: "q8_0" } });
  expect(plannedContext).toMatchObject({ contextSize: 8192, kvType: { k: "q8_0", v: "q8_0" } });
  for (const [wrong, option] of [
    [{ contextSize: 0 }, "plannedContext.contextSize"],
    [{ kvType: "q9" }, "plannedContext.kvType"],
    [{ threads: 2 }, "an option name of plannedContext"],
  ]) {
    expect(() => readLoadOptions({ plannedContext: wrong })).toThrow(option);
  }
});
