import type { LoadModelOptions } from "../../model/load-options.js";
import type { FlagsFor } from "./flag-table.js";
import { deviceNames, metadataOverrides, number, numbers, tensorOverrides } from "./values.js";

export const loadFlags = {
  gpu: { value: "<backend>", help: "auto, cuda, metal, vulkan, hip or cpu (LLAMA_NATIVE_GPU, or auto)" },
  gpuLayers: { value: "<count>", parse: number, help: 'layers to put on GPUs, "auto" or "all" (auto)' },
  devices: { value: "<names>", parse: deviceNames, help: 'GPUs to use, by `doctor`, or "none" (all)' },
  splitMode: { value: "<mode>", help: "layer, row or none: how a model is divided among GPUs (layer)" },
  mainGpu: { value: "<name>", help: "the one that --split-mode none uses (the first)" },
  tensorSplit: { value: "<parts>", parse: numbers, help: "what each GPU gets, e.g. 3,1 (by free memory)" },
  tensorOverrides: {
    name: "tensor-override",
    value: "<pattern=device>",
    parseAll: tensorOverrides,
    help: "device of the tensors whose names match, or CPU; repeatable",
  },
  useMmap: { name: "no-mmap", help: "read the file instead of mapping it into memory" },
  useMlock: { name: "mlock", help: "lock the weights in memory" },
  directIo: { help: "read past the system's page cache" },
  repack: { name: "no-repack", help: "leave the weights as they are in the file" },
  checkTensors: { help: "check every tensor for impossible values" },
  metadataOverrides: {
    name: "metadata-override",
    value: "<key=value>",
    parseAll: metadataOverrides,
    help: "in place of the file's own; repeatable",
  },
  offline: { help: "take only what is on this disk, and ask nothing of the network" },
  // What the context's own flags say.
  plannedContext: null,
  vocabularyOnly: null,
  onDownload: null,
  onProgress: null,
  signal: null,
} satisfies FlagsFor<LoadModelOptions>;
