// Which C library a program of Linux is linked with.

import { closeSync, openSync, readSync } from "node:fs";

const HEADER_BYTES = 64;
/** How a program for 64 bits begins whose numbers are little-endian, as on all systems that there are packages for. */
const ELF_64 = "\x7fELF\x02\x01";
/** Of an entry of the program header that names the loader. */
const INTERPRETER = 3;

/**
 * Whether a program for 64 bits names musl's loader. It is looked up where the file says it is: tools that change programs
 * afterwards move it to their end. False of a program that may be run and not read.
 * @param {string} program
 */
export function usesMusl(program) {
  const file = openIfMay(program);
  if (file === null) return false;
  try {
    const header = read(file, 0, HEADER_BYTES);
    if (!header.toString("latin1").startsWith(ELF_64)) return false;
    const [at, size, count] = [Number(header.readBigUInt64LE(32)), header.readUInt16LE(54), header.readUInt16LE(56)];
    for (let index = 0; index < count; index++) {
      const entry = read(file, at + index * size, size);
      if (entry.readUInt32LE(0) !== INTERPRETER) continue;
      return read(file, Number(entry.readBigUInt64LE(8)), Number(entry.readBigUInt64LE(32))).includes("/ld-musl-");
    }
    return false;
  } finally {
    closeSync(file);
  }
}

/** @param {string} program */
function openIfMay(program) {
  try {
    return openSync(program, "r");
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EACCES") return null;
    throw error;
  }
}

/** @param {number} file @param {number} at @param {number} size */
function read(file, at, size) {
  const bytes = Buffer.alloc(size);
  const count = readSync(file, bytes, 0, size, at);
  if (count < size) throw new Error(`Expected ${size} bytes at ${at} but found ${count}`);
  return bytes;
}
