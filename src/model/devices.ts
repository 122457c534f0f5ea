import { InvalidOptionError } from "../errors.js";
import type { NativeAddon, NativeDevice, NativeDevicePlan } from "../native/contract.js";
import { devicesOf } from "../native/load-addon.js";
import { ramName } from "./model-shape.js";
import type { Division } from "./placement.js";
import { gpusAmong, holdsLayers, layerDevices } from "./placement.js";

export const splitModes = ["layer", "row", "none"] as const;

/** How a model is divided among several devices. */
export type SplitMode = (typeof splitModes)[number];

/** Tensors whose name holds a match of `pattern` are kept on `device`, or in RAM where that is "CPU". */
export interface TensorOverride {
  pattern: string;
  device: string;
}

/** What options of a load say of devices. */
export interface DeviceWish {
  devices: readonly string[] | undefined;
  splitMode: SplitMode;
  mainGpu: string | undefined;
  tensorSplit: readonly number[] | undefined;
  tensorOverrides: readonly TensorOverride[];
}

/**
 * The devices that a wish comes to, among those that the addon finds.
 *
 * @throws LlamaError `INVALID_OPTION` for names of no such device, and for what they cannot do
 */
export function chooseDevices(found: readonly NativeDevice[], wish: DeviceWish): NativeDevice[] {
  const chosen = inUse(named(found, wish), wish);
  const { splitMode, tensorSplit, tensorOverrides } = wish;
  const unable = splitMode === "row" ? chosen.find(({ splitsRows }) => !splitsRows) : undefined;
  if (unable !== undefined) {
    throw new InvalidOptionError("splitMode", `"layer" or "none" with ${unable.name} (${unable.backend})`, "row");
  }
  if (tensorSplit !== undefined && tensorSplit.length !== chosen.length) {
    const names = chosen.map(({ name }) => name).join(", ");
    const expected = `one number for each of ${chosen.length} devices${names === "" ? "" : ` (${names})`}`;
    throw new InvalidOptionError("tensorSplit", expected, tensorSplit);
  }
  for (const { pattern, device } of tensorOverrides) {
    if (device === ramName || chosen.some(({ name }) => name === device)) continue;
    const names = [ramName, ...chosen.map(({ name }) => name)];
    throw new InvalidOptionError(`tensorOverrides[${JSON.stringify(pattern)}]`, oneOfNames(names), device);
  }
  return chosen;
}

/** The same as the addon takes it. */
export function toNativeDevices(addon: NativeAddon, wish: DeviceWish): NativeDevicePlan {
  const { splitMode, tensorSplit, tensorOverrides } = wish;
  const isUsual =
    wish.devices === undefined && splitMode === "layer" && tensorSplit === undefined && tensorOverrides.length === 0;
  if (isUsual) return { devices: null, splitMode: "layer", tensorSplit: new Float32Array(), tensorOverrides: [] };
  const chosen = chooseDevices(devicesOf(addon), wish);
  const rows = splitMode === "row";
  // Rows are divided by all of a device's memory where nothing is said; layers, and what is planned here, by the free one.
  const split = tensorSplit ?? (rows ? chosen.map(({ freeBytes }) => freeBytes) : []);
  return {
    devices: chosen.map(({ name }) => name),
    splitMode: rows ? "row" : "layer",
    tensorSplit: Float32Array.from(split),
    tensorOverrides: [...tensorOverrides],
  };
}

/** How layers are divided among the devices that a wish comes to; `ramBytes` is what devices without a memory of their own have. */
export function divide(found: readonly NativeDevice[], wish: DeviceWish, ramBytes: number): Division {
  const devices = layerDevices(chooseDevices(found, wish), ramBytes);
  return { devices, split: wish.tensorSplit, rows: wish.splitMode === "row" };
}

function named(found: readonly NativeDevice[], { devices }: DeviceWish): NativeDevice[] {
  if (devices === undefined) return gpusAmong(found);
  const usable = found.filter(holdsLayers);
  return devices.map((name, index) => {
    const device = usable.find((one) => one.name === name);
    if (device === undefined) throw unknownDevice(`devices[${index}]`, usable, name);
    if (devices.indexOf(name) !== index) throw new InvalidOptionError(`devices[${index}]`, "each device once", name);
    return device;
  });
}

/** One of them, where a model is not to be divided. */
function inUse(devices: NativeDevice[], { splitMode, mainGpu }: DeviceWish): NativeDevice[] {
  if (splitMode !== "none") return devices;
  if (mainGpu === undefined) return devices.slice(0, 1);
  const main = devices.find(({ name }) => name === mainGpu);
  if (main === undefined) throw unknownDevice("mainGpu", devices, mainGpu);
  return [main];
}

function unknownDevice(option: string, known: readonly NativeDevice[], received: string): InvalidOptionError {
  const names = known.map(({ name }) => name);
  const expected = names.length === 0 ? "nothing, as the addon in use finds no GPU here," : oneOfNames(names);
  return new InvalidOptionError(option, expected, received);
}

function oneOfNames(names: readonly string[]): string {
  return `one of ${names.map((name) => JSON.stringify(name)).join(", ")}`;
}
