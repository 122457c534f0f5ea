import type { NativeDevice } from "../native/contract.js";
import type { ContextPlan } from "./memory-estimate.js";
import {
  attentionBytes,
  bufferBytes,
  deviceBufferBytes,
  inputBytes,
  layerCacheBytes,
  outputBytes,
  spareCheckpointBytes,
} from "./memory-estimate.js";
import type { ModelShape } from "./model-shape.js";
import { ramName } from "./model-shape.js";

/** A device that computes layers, as far as models may use it. */
export interface DeviceMemory {
  name: string;
  /** Free, less what drivers and desktops need. */
  freeBytes: number;
  /** Whether its memory is the machine's own, so that RAM has to hold what it holds. */
  sharesRam: boolean;
}

/** Devices, and how layers are divided among them. */
export interface Division {
  /** By their free memory at loading, which layers are divided by. */
  devices: readonly DeviceMemory[];
  /** Proportions to divide by in its place. */
  split?: readonly number[] | undefined;
  /** Whether each matrix is divided, and not whole layers. The cache of a layer is on one device in any case. */
  rows?: boolean | undefined;
}

/** Which parts of a model are on devices. */
export interface Placement extends Division {
  /** As llama.cpp counts: the output is the first, then come the last layers; one more than the model has is all. */
  gpuLayers: number;
}

export const inRam: Placement = { gpuLayers: 0, devices: [] };

/** Bytes by where they are; `ram` includes what is on devices that share it. */
export interface Needs {
  ram: number;
  devices: number[];
}

/** Share of a device's free memory that is used. */
export const usedShare = 0.94;

export function holdsLayers({ type }: NativeDevice): boolean {
  return type === "gpu" || type === "integrated-gpu";
}

/** The devices that llama.cpp puts layers on: GPUs, or where there is none integrated ones. */
export function gpusAmong(devices: readonly NativeDevice[]): NativeDevice[] {
  const gpus = devices.filter(({ type }) => type === "gpu");
  return gpus.length > 0 ? gpus : devices.filter(({ type }) => type === "integrated-gpu");
}

/** Devices by what models may use of their memory. */
export function layerDevices(devices: readonly NativeDevice[], ramBytes: number): DeviceMemory[] {
  return devices.map(({ name, type, backend, freeBytes, totalBytes }) => {
    // Some tell nothing of their memory, and have the machine's.
    const isSilent = totalBytes === 0;
    return {
      name,
      freeBytes: (isSilent ? ramBytes : freeBytes) * usedShare,
      sharesRam: isSilent || type === "integrated-gpu" || /^(metal|mtl)/i.test(backend),
    };
  });
}

/** The index of the device of each layer, and of the output behind them; undefined for RAM. By llama.cpp's rules. */
export function devicesOfLayers(layerCount: number, placement: Placement): (number | undefined)[] {
  const { gpuLayers, devices } = placement;
  const onDevices = devices.length === 0 ? 0 : Math.min(gpuLayers, layerCount + 1);
  const first = layerCount + 1 - onDevices;
  const parts = proportions(placement);
  return Array.from({ length: layerCount + 1 }, (_, layer) => {
    if (layer < first) return undefined;
    let split = 0;
    const index = parts.findIndex((part) => (split += part) > (layer - first) / onDevices);
    return index < 0 ? devices.length - 1 : index;
  });
}

/** Each device's part of one. */
function proportions({ devices, split }: Division): number[] {
  const weights = split ?? devices.map(({ freeBytes }) => freeBytes);
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Where the weights go. */
export function weightNeeds(shape: ModelShape, placement: Placement): Needs {
  const places = devicesOfLayers(shape.layerCount, placement);
  const isOutputInRam = places[shape.layerCount] === undefined;
  const sum = new NeedsSum(placement, shape.weightBytes + (isOutputInRam ? shape.tiedCopyBytes : 0));
  for (const [layer, device] of places.entries()) {
    const isOutput = layer === shape.layerCount;
    const bytes = isOutput ? shape.outputWeightBytes : (shape.layerWeightBytes[layer] ?? 0);
    // The embeddings that some models have for an output too are in RAM in any case.
    const inBoth = isOutput && shape.hasTiedOutput;
    if (placement.rows !== true || device === undefined) sum.move(device, bytes, inBoth);
    else for (const [index, part] of proportions(placement).entries()) sum.move(index, bytes * part, inBoth);
  }
  for (const { layer, bytes, device } of shape.overridden ?? []) {
    const index = placement.devices.findIndex(({ name }) => name === device);
    sum.moveBetween(layer === undefined ? undefined : places[layer], index < 0 ? undefined : index, bytes);
  }
  return sum.needs;
}

/**
 * What is copied to a device at a time of what is in RAM: a tensor of a layer, or one that is overridden, or a layer's part of the
 * KV cache, of those in `caches`.
 */
function copiedBytes(shape: ModelShape, places: readonly (number | undefined)[], caches: readonly number[]): number {
  const tensors = shape.largestWeightBytes.filter((_, layer) => places[layer] === undefined);
  const kept = (shape.overridden ?? []).filter(({ device }) => device === ramName).map(({ bytes }) => bytes);
  return Math.max(0, ...tensors, ...kept, ...caches);
}

/** Where KV cache, states and buffers of a context go. */
export function contextNeeds(
  shape: ModelShape,
  plan: ContextPlan,
  placement: Placement = inRam,
  offloadKv = true,
): Needs {
  const places = devicesOfLayers(shape.layerCount, placement);
  const cacheBytes = layerCacheBytes(shape, plan);
  const buffer = bufferBytes(shape, plan);
  const isSplit = !offloadKv || places.includes(undefined) || (shape.overridden?.length ?? 0) > 0;
  const used = new Set(places.filter((device) => device !== undefined));
  // What nothing is computed in RAM of still gives the inputs from there.
  const inRamAlone = used.size === 0 || isSplit ? buffer : inputBytes(shape, plan);
  const kept = outputBytes(shape, plan) + spareCheckpointBytes(shape, plan);
  const sum = new NeedsSum(placement, inRamAlone + kept + cacheBytes.reduce((a, b) => a + b, 0));
  if (offloadKv) for (const [layer, bytes] of cacheBytes.entries()) sum.move(places[layer], bytes);
  // Prompts are computed on devices, also of the layers that are in RAM.
  const inRamCaches = offloadKv ? cacheBytes.filter((_, layer) => places[layer] === undefined) : [];
  const copied = isSplit ? copiedBytes(shape, places, inRamCaches) : 0;
  const moved = Math.max(copied, offloadKv ? 0 : attentionBytes(shape, plan));
  for (const device of used) sum.move(device, deviceBufferBytes(shape, plan) + moved, true);
  return sum.needs;
}

/** Bytes in all, each counted once. */
export function totalBytes({ ram, devices }: Needs, placement: Placement): number {
  return (
    ram + devices.reduce((sum, bytes, index) => sum + (placement.devices[index]?.sharesRam === true ? 0 : bytes), 0)
  );
}

class NeedsSum {
  readonly needs: Needs;
  readonly #devices: readonly DeviceMemory[];

  constructor({ devices }: Placement, ram: number) {
    this.#devices = devices;
    this.needs = { ram, devices: devices.map(() => 0) };
  }

  /** From RAM to a device, or `inBoth`. */
  move(device: number | undefined, bytes: number, inBoth = false): void {
    if (device === undefined) return;
    this.needs.devices[device] = (this.needs.devices[device] ?? 0) + bytes;
    const sharesRam = this.#devices[device]?.sharesRam === true;
    this.needs.ram += (sharesRam ? bytes : 0) - (inBoth ? 0 : bytes);
  }

  /** From one place to another; undefined is RAM. */
  moveBetween(from: number | undefined, to: number | undefined, bytes: number): void {
    this.move(from, -bytes);
    this.move(to, bytes);
  }
}
