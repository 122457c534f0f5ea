import type { AvailableMemory } from "./machine-memory.js";
import { freeMemory } from "./machine-memory.js";

/**
 * What this process has decided to take of memories and has not taken yet, which the system counts as free: models and contexts
 * that are being made, and caches that are still to fill.
 */

/** What RAM is called among memories; devices have their names. */
export const ramMemory = "RAM";

export interface Need {
  /** {@link ramMemory}, or a device's name. */
  where: string;
  /** A function where it becomes less by and by. */
  bytes: number | (() => number);
}

const ledger = new Set<Need>();

/** Sets memory aside from now on, until the function that is returned is called. */
export function reserve(needs: readonly Need[]): () => void {
  const entries = needs.map((need) => ({ ...need })); // the same need may be set aside twice
  for (const entry of entries) ledger.add(entry);
  return () => {
    for (const entry of entries) ledger.delete(entry);
  };
}

export function reservedBytes(where: string): number {
  let sum = 0;
  for (const need of ledger) {
    if (need.where === where) sum += Math.max(0, typeof need.bytes === "number" ? need.bytes : need.bytes());
  }
  return sum;
}

/** Free memory of the machine, within all limits, without what is set aside. */
export function availableMemory(): AvailableMemory {
  const { bytes, limit, addressBytes } = freeMemory();
  const reserved = reservedBytes(ramMemory);
  return { bytes: Math.max(0, bytes - reserved), limit, addressBytes: Math.max(0, addressBytes - reserved) };
}
