/** Bytes of a file, from `start` up to `end`. */
export interface Range {
  start: number;
  end: number;
}

export interface MetadataEntry extends Range {
  key: string;
  /** Where the value's type is, an int32; the value follows it, behind element type and length in an array. */
  typeAt: number;
  valueAt: number;
  /** Elements of an array, 1 for other values. */
  length: number;
}

export interface TensorEntry extends Range {
  name: string;
  /** Where the number of dimensions is, a uint32; the dimensions follow as int64. */
  dimensionsAt: number;
  shape: number[];
  typeAt: number;
  offsetAt: number;
  /** Where its data is in the file. */
  dataAt: number;
}

/** Where everything is in a GGUF file. */
export interface Layout {
  metadata: MetadataEntry[];
  tensors: TensorEntry[];
  /** Where the list of tensors begins and ends; the data follows at the next multiple of {@link alignment}. */
  tensorList: Range;
  dataStart: number;
}

export const alignment = 32;
export const tensorCountAt = 8;
export const keyCountAt = 16;
export const firstKeyAt = 24;

const arrayType = 9;
const stringType = 8;
/** Bytes of a value by its type. */
const valueBytes: Partial<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};

/** Reads a file that is known to be well-formed. */
export function readLayout(file: Buffer): Layout {
  const cursor = new Cursor(file, firstKeyAt);
  const metadata = Array.from({ length: Number(file.readBigUInt64LE(keyCountAt)) }, () => readMetadata(cursor));
  const listStart = cursor.at;
  const tensors = Array.from({ length: Number(file.readBigUInt64LE(tensorCountAt)) }, () => readTensor(cursor));
  const dataStart = Math.ceil(cursor.at / alignment) * alignment;
  for (const tensor of tensors) tensor.dataAt += dataStart;
  return { metadata, tensors, tensorList: { start: listStart, end: cursor.at }, dataStart };
}

function readMetadata(cursor: Cursor): MetadataEntry {
  const start = cursor.at;
  const key = cursor.string();
  const typeAt = cursor.at;
  let type = cursor.uint32();
  let length = 1;
  if (type === arrayType) {
    type = cursor.uint32();
    length = cursor.uint64();
  }
  const valueAt = cursor.at;
  for (let index = 0; index < length; index++) {
    if (type === stringType) cursor.string();
    else cursor.skip(valueBytes[type]!);
  }
  return { key, start, end: cursor.at, typeAt, valueAt, length };
}

function readTensor(cursor: Cursor): TensorEntry {
  const start = cursor.at;
  const name = cursor.string();
  const dimensionsAt = cursor.at;
  const shape = Array.from({ length: cursor.uint32() }, () => cursor.uint64());
  const typeAt = cursor.at;
  cursor.skip(4);
  const offsetAt = cursor.at;
  const dataAt = cursor.uint64();
  return { name, start, end: cursor.at, dimensionsAt, shape, typeAt, offsetAt, dataAt };
}

class Cursor {
  constructor(
    private readonly file: Buffer,
    public at: number,
  ) {}

  skip(bytes: number): void {
    this.at += bytes;
  }

  uint32(): number {
    this.at += 4;
    return this.file.readUInt32LE(this.at - 4);
  }

  uint64(): number {
    this.at += 8;
    return Number(this.file.readBigUInt64LE(this.at - 8));
  }

  string(): string {
    const length = this.uint64();
    this.at += length;
    return this.file.toString("utf8", this.at - length, this.at);
  }
}
