import { open } from "node:fs/promises";

import { LlamaError } from "../errors.js";
import { tensorBytes } from "./ggml-types.js";

/** Where a GGUF file's bytes come from: a disk, or a server by ranges. */
export interface ByteSource {
  /** What people call it. */
  readonly name?: string;
  readonly sizeBytes: number;
  /** So many bytes, or fewer at the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface GgufTensor {
  readonly name: string;
  /** ggml's name of the type, e.g. `q4_K`. */
  readonly type: string;
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  /** Where the header tells of it. */
  readonly entryOffset: number;
}

/** What a GGUF file tells before its weights; vocabularies are left out. */
export interface GgufHeader {
  /** Scalars, and arrays of at most {@link keptElements} numbers. 64-bit integers are numbers. */
  readonly metadata: ReadonlyMap<string, string | number | boolean | readonly (number | boolean)[]>;
  /** Lengths of all arrays. */
  readonly arrayLengths: ReadonlyMap<string, number>;
  readonly tensors: readonly GgufTensor[];
  /** Bytes of the file before the weights. */
  readonly headerBytes: number;
}

const firstRead = 1 << 20;
/** Vocabularies of several hundred thousand tokens stay below 20 MB. */
const mostBytes = 256 << 20;
/** No model has so many layers, which is what arrays of numbers are per. */
const keptElements = 4096;

const stringType = 8;
const arrayType = 9;
/** Bytes of the values of each metadata type. */
const widths: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/** Reads as much of a file as its header takes. Throws LlamaError `MODEL_FORMAT` for anything but a sound header. */
export async function readGgufHeader(source: ByteSource): Promise<GgufHeader> {
  try {
    return await readHeader(source);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new LlamaError("MODEL_FORMAT", `${source.name ?? "This"} is not a sound GGUF file: ${error.message}`, {
      details: { path: source.name ?? null, sizeBytes: source.sizeBytes },
    });
  }
}

async function readHeader(source: ByteSource): Promise<GgufHeader> {
  if (source.sizeBytes === 0) throw new Malformed("it is empty");
  let bytes = toBuffer(await source.read(0, Math.min(firstRead, source.sizeBytes)));
  for (let wanted = firstRead; ; wanted *= 4) {
    const length = Math.min(wanted, source.sizeBytes);
    if (length > mostBytes) throw new Malformed("its header does not end");
    if (length > bytes.length) bytes = Buffer.concat([bytes, await source.read(bytes.length, length - bytes.length)]);
    try {
      const header = parse(bytes);
      const weightBytes = header.tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      const all = header.headerBytes + weightBytes;
      if (all > source.sizeBytes)
        throw new Malformed(`its weights are cut short: expected ${all} bytes but received ${source.sizeBytes}`);
      return header;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (bytes.length < length || length === source.sizeBytes) throw headerCutShort(source);
    }
  }
}

/** How far apart quantizations of a model may have a tensor's entry, as their metadata differ in a few texts. */
const entryReach = 32 << 10;

/** A tensor in another quantization's file, by a look at where this one's header has it; undefined where it is not there. */
export async function findTensor(source: ByteSource, like: GgufTensor): Promise<GgufTensor | undefined> {
  const start = Math.max(0, like.entryOffset - entryReach);
  const bytes = toBuffer(await source.read(start, Math.min(2 * entryReach, source.sizeBytes - start)));
  const key = Buffer.alloc(8 + like.name.length);
  key.writeBigUInt64LE(BigInt(like.name.length));
  key.write(like.name, 8, "latin1");
  const at = bytes.indexOf(key);
  if (at < 0) return undefined;
  try {
    return { ...readTensor(new Cursor(bytes.subarray(at))), entryOffset: start + at };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Kept from one file to the next: a process that loads often would fragment its heap with one for each. */
let spare: Buffer | undefined;

/** The header of a file on this machine. */
export async function readGgufFile(path: string): Promise<GgufHeader> {
  const file = await open(path).catch((error: unknown) => {
    throw new LlamaError("MODEL_NOT_FOUND", `Cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
      details: { path },
    });
  });
  const first = spare ?? Buffer.allocUnsafeSlow(firstRead);
  spare = undefined; // whoever reads at the same time has one of their own
  try {
    const { size } = await file.stat();
    return await readGgufHeader({
      name: path,
      sizeBytes: size,
      async read(offset, length) {
        const into = offset === 0 ? first : Buffer.allocUnsafeSlow(length);
        const { bytesRead } = await file.read(into, 0, length, offset);
        return into.subarray(0, bytesRead);
      },
    });
  } finally {
    spare = first;
    await file.close();
  }
}

/** Throws a RangeError where more bytes are needed. */
function parse(bytes: Buffer): GgufHeader {
  const cursor = new Cursor(bytes);
  const magic = bytes.toString("latin1", 0, 4);
  if (magic !== "GGUF") throw new Malformed(`expected it to begin with "GGUF" but received ${JSON.stringify(magic)}`);
  cursor.skip(4);
  const version = cursor.u32();
  if (version < 2 || version > 3) throw new Malformed(versionProblem(version));
  const tensorCount = cursor.u64();
  const valueCount = cursor.u64();
  const metadata = new Map<string, string | number | boolean | readonly (number | boolean)[]>();
  const arrayLengths = new Map<string, number>();
  for (let index = 0; index < valueCount; index++) readEntry(cursor, metadata, arrayLengths);
  const tensors: GgufTensor[] = [];
  for (let index = 0; index < tensorCount; index++) tensors.push(readTensor(cursor));
  const alignment = Number(metadata.get("general.alignment") ?? 32) || 32;
  return { metadata, arrayLengths, tensors, headerBytes: Math.ceil(cursor.position / alignment) * alignment };
}

function readEntry(
  cursor: Cursor,
  metadata: Map<string, string | number | boolean | readonly (number | boolean)[]>,
  arrayLengths: Map<string, number>,
): void {
  const key = cursor.string();
  const type = cursor.u32();
  if (type !== arrayType) {
    metadata.set(key, type === stringType ? cursor.string() : cursor.scalar(type));
    return;
  }
  const elementType = cursor.u32();
  const length = cursor.u64();
  arrayLengths.set(key, length);
  if (elementType === stringType) {
    for (let index = 0; index < length; index++) cursor.skip(cursor.u64());
  } else if (elementType !== arrayType && length <= keptElements) {
    metadata.set(
      key,
      Array.from({ length }, () => cursor.scalar(elementType)),
    );
  } else {
    cursor.skip(length * widthOf(elementType));
  }
}

function readTensor(cursor: Cursor): GgufTensor {
  const entryOffset = cursor.position;
  const name = cursor.string();
  const dimensions = cursor.u32();
  if (dimensions > 4) throw new Malformed(`tensor ${JSON.stringify(name)} has ${dimensions} dimensions`);
  const shape = Array.from({ length: dimensions }, () => cursor.u64());
  const type = cursor.u32();
  cursor.u64(); // where it lies
  return { name, shape, ...tensorBytes(type, shape), entryOffset };
}

function widthOf(type: number): number {
  const width = widths[type] ?? 0;
  if (width === 0) throw new Malformed(`it has metadata of the unknown type ${type}`);
  return width;
}

class Cursor {
  position = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  skip(length: number): void {
    if (this.position + length > this.#bytes.length) throw new RangeError("more is needed");
    this.position += length;
  }

  u32(): number {
    this.skip(4);
    return this.#bytes.readUInt32LE(this.position - 4);
  }

  u64(): number {
    this.skip(8);
    const value = this.#bytes.readBigUInt64LE(this.position - 8);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Malformed(`it has the impossible length ${value}`);
    return Number(value);
  }

  string(): string {
    const length = this.u64();
    this.skip(length);
    return this.#bytes.toString("utf8", this.position - length, this.position);
  }

  scalar(type: number): number | boolean {
    const bytes = this.#bytes;
    const at = this.position;
    this.skip(widthOf(type));
    switch (type) {
      case 0:
        return bytes.readUInt8(at);
      case 1:
        return bytes.readInt8(at);
      case 2:
        return bytes.readUInt16LE(at);
      case 3:
        return bytes.readInt16LE(at);
      case 4:
        return bytes.readUInt32LE(at);
      case 5:
        return bytes.readInt32LE(at);
      case 6:
        return bytes.readFloatLE(at);
      case 7:
        return bytes.readUInt8(at) !== 0;
      case 10:
        return Number(bytes.readBigUInt64LE(at));
      case 11:
        return Number(bytes.readBigInt64LE(at));
      default:
        return bytes.readDoubleLE(at);
    }
  }
}

/** What is wrong with a file, in the words behind its name. */
class Malformed extends Error {}

function headerCutShort({ sizeBytes }: ByteSource): Malformed {
  return new Malformed(`it ends within its header, after ${sizeBytes} bytes, as a download that was cut off does`);
}

function versionProblem(version: number): string {
  const order = version >= 1 << 16 ? ", which has the bytes of each number the other way round" : "";
  return `expected GGUF version 2 or 3 but received ${version}${order}, so that it must be converted anew`;
}
