import type { Layout, MetadataEntry, Range, TensorEntry } from "./layout.js";
import { alignment, keyCountAt, readLayout, tensorCountAt } from "./layout.js";

/** GGUF's numbers of value types. */
export const valueType = { uint8: 0, uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9, uint64: 10 };

export function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

export function uint64(value: bigint | number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return buffer;
}

export function float32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(value);
  return buffer;
}

export function string(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

/** A value as it stands behind its key. */
export function typed(type: keyof typeof valueType, value: Buffer): Buffer {
  return Buffer.concat([uint32(valueType[type]), value]);
}

export function array(elementType: keyof typeof valueType, elements: readonly Buffer[], length?: bigint): Buffer {
  const count = uint64(length ?? elements.length);
  return Buffer.concat([uint32(valueType.array), uint32(valueType[elementType]), count, ...elements]);
}

/** A well-formed GGUF file, and copies of it with something changed. */
export class Gguf {
  readonly layout: Layout;

  constructor(readonly bytes: Buffer) {
    this.layout = readLayout(bytes);
  }

  entry(key: string): MetadataEntry {
    return this.layout.metadata.find((entry) => entry.key === key)!;
  }

  tensor(name: string): TensorEntry {
    return this.layout.tensors.find((tensor) => tensor.name === name)!;
  }

  /** The first `length` bytes; a negative length counts from the end. */
  cut(length: number): Buffer {
    return this.bytes.subarray(0, length);
  }

  /** The same with `bytes` at a place. */
  patched(at: number, bytes: Buffer): Buffer {
    const copy = Buffer.from(this.bytes);
    bytes.copy(copy, at);
    return copy;
  }

  /** The same with other bytes in a range of the header; the data moves along to where it must then be. */
  spliced(range: Range, bytes: Buffer, counts: { keys?: number; tensors?: number } = {}): Buffer {
    const { tensorList, dataStart } = this.layout;
    const header = Buffer.concat([
      this.bytes.subarray(0, range.start),
      bytes,
      this.bytes.subarray(range.end, tensorList.end),
    ]);
    for (const [at, change = 0] of [[keyCountAt, counts.keys] as const, [tensorCountAt, counts.tensors] as const]) {
      header.writeBigUInt64LE(header.readBigUInt64LE(at) + BigInt(change), at);
    }
    const padding = Buffer.alloc((alignment - (header.length % alignment)) % alignment);
    return Buffer.concat([header, padding, this.bytes.subarray(dataStart)]);
  }

  withoutKey(key: string): Buffer {
    return this.spliced(this.entry(key), Buffer.alloc(0), { keys: -1 });
  }

  /** `value` comes with its type. */
  withValue(key: string, value: Buffer): Buffer {
    const entry = this.layout.metadata.find((candidate) => candidate.key === key);
    if (entry !== undefined) return this.spliced({ start: entry.typeAt, end: entry.end }, value);
    const end = this.layout.tensorList.start;
    return this.spliced({ start: end, end }, Buffer.concat([string(key), value]), { keys: 1 });
  }

  withoutTensor(name: string): Buffer {
    return this.spliced(this.tensor(name), Buffer.alloc(0), { tensors: -1 });
  }

  withTensorData(name: string, fill: (data: Buffer) => void): Buffer {
    const copy = Buffer.from(this.bytes);
    const { dataAt } = this.tensor(name);
    const following = this.layout.tensors.map((tensor) => tensor.dataAt).filter((at) => at > dataAt);
    fill(copy.subarray(dataAt, Math.min(copy.length, ...following)));
    return copy;
  }
}
