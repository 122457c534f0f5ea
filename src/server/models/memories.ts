import { ramMemory } from "../../model/memory-ledger.js";
import { layerDevices } from "../../model/placement.js";
import type { NativeDevice } from "../../native/contract.js";

/** Bytes by whose they are: RAM's, or a device's by its name. What is on a device that shares RAM counts in both. */
export type Memories = ReadonlyMap<string, number>;

export { ramMemory };

export function addUp(parts: readonly Memories[]): Memories {
  const sum = new Map<string, number>();
  for (const [where, bytes] of parts.flatMap((part) => [...part])) sum.set(where, (sum.get(where) ?? 0) + bytes);
  return sum;
}

/** A memory of which less is left than is needed, because others have some of it. */
export function lackingMemory(needed: Memories, taken: Memories, left: Memories): string | undefined {
  return [...taken].find(
    ([where, bytes]) => bytes > 0 && (needed.get(where) ?? 0) > (left.get(where) ?? Infinity),
  )?.[0];
}

/** What there is for one more model. A device that tells nothing of its memory has RAM's, which is counted there. */
export function memoriesLeft(ramBytes: number, devices: readonly NativeDevice[]): Memories {
  const telling = devices.filter(({ totalBytes }) => totalBytes > 0);
  const onDevices = layerDevices(telling, ramBytes).map(({ name, freeBytes }) => [name, freeBytes] as const);
  return new Map([[ramMemory, ramBytes], ...onDevices]);
}

/**
 * Devices beside models that take `taken` of them. Some drivers tell what is free as if nothing were there, so that it is what
 * these leave of all at most.
 */
export function devicesBeside(devices: readonly NativeDevice[], taken: Memories): NativeDevice[] {
  return devices.map((device) => {
    const left = device.totalBytes - (taken.get(device.name) ?? 0);
    return { ...device, freeBytes: Math.max(0, Math.min(device.freeBytes, left)) };
  });
}

/** The same devices when these models are gone. */
export function devicesWithout(devices: readonly NativeDevice[], taken: Memories): NativeDevice[] {
  return devices.map((device) => {
    const freed = device.freeBytes + (taken.get(device.name) ?? 0);
    return { ...device, freeBytes: Math.min(freed, device.totalBytes) };
  });
}
