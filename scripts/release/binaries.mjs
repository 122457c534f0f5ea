// What a library needs of the system that loads it, read by the platform's own tools, and on Windows from the file.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/**
 * @typedef {object} Needs
 * @property {string[]} libraries by the names they are looked for
 * @property {string[]} searched folders that the file itself names for them
 * @property {string[]} versions of the system's interfaces, such as GLIBC_2.34
 * @property {string | null} machine that it is for, in the tool's words; null where they are not looked at
 *
 * @param {string} path
 * @param {NodeJS.Platform} [platform]
 * @returns {Needs}
 */
export function inspectBinary(path, platform = process.platform) {
  if (platform === "win32")
    return { libraries: importsOf(readFileSync(path)), searched: [], versions: [], machine: null };
  return platform === "darwin" ? readMachO(tool("otool", ["-l", path])) : readElf(tool("readelf", ["-hdVW", path]));
}

/** @param {string} text what `readelf -hdVW` prints @returns {Needs} */
export function readElf(text) {
  return {
    libraries: all(text, /\(NEEDED\)\s+Shared library: \[(.+?)\]/g),
    searched: all(text, /\((?:RUNPATH|RPATH)\)\s+Library \w+: \[(.+?)\]/g).flatMap((list) => list.split(":")),
    // Of those needed, not of those that the file has itself.
    versions: [...new Set(all(text, /Name: (\w+_[\d.]+)\s+Flags/g))],
    machine: /^\s*Machine:\s+(.+?)\s*$/m.exec(text)?.[1] ?? null,
  };
}

/** @param {string} text what `otool -l` prints @returns {Needs} */
export function readMachO(text) {
  return {
    libraries: all(text, /cmd LC_(?:LOAD|REEXPORT|LOAD_WEAK)_DYLIB\n.*\n\s+name (\S+)/g),
    searched: all(text, /cmd LC_RPATH\n.*\n\s+path (\S+)/g),
    versions: all(text, /cmd LC_BUILD_VERSION\n.*\n.*\n\s+minos (\S+)/g).map((version) => `macOS_${version}`),
    machine: null,
  };
}

/**
 * The newest of an interface's versions.
 * @param {string[]} versions
 * @param {string} name such as GLIBC
 * @returns {string | null} its number
 */
export function newestVersion(versions, name) {
  const numbers = versions.filter((each) => each.startsWith(`${name}_`)).map((each) => each.slice(name.length + 1));
  return numbers.sort(compareVersions).at(-1) ?? null;
}

/** @param {string} a @param {string} b */
export function compareVersions(a, b) {
  const [left, right] = [a.split(".").map(Number), b.split(".").map(Number)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * The names of a Windows library's imports: its import table, and the one of those that are loaded when first called.
 * @param {Buffer} file
 */
export function importsOf(file) {
  const header = file.readUInt32LE(0x3c);
  if (file.toString("latin1", header, header + 4) !== "PE\0\0") throw new Error("Expected a Windows library");
  const sectionCount = file.readUInt16LE(header + 6);
  const optional = header + 24;
  const sections = optional + file.readUInt16LE(header + 20);
  const offsetOf = (/** @type {number} */ address) => {
    for (let at = sections; at < sections + 40 * sectionCount; at += 40) {
      const [size, start, data] = [file.readUInt32LE(at + 8), file.readUInt32LE(at + 12), file.readUInt32LE(at + 20)];
      if (address >= start && address < start + size) return address - start + data;
    }
    throw new Error(`Expected a section for address ${address} but found none`);
  };
  const nameAt = (/** @type {number} */ address) => {
    const start = offsetOf(address);
    return file.toString("latin1", start, file.indexOf(0, start));
  };
  // Tables 1 and 13 of the 64-bit header; entries end where there is no name.
  return /** @type {const} */ ([
    { table: 1, size: 20, name: 12 },
    { table: 13, size: 32, name: 4 },
  ]).flatMap(({ table, size, name }) => {
    const address = file.readUInt32LE(optional + 112 + 8 * table);
    const names = [];
    for (let at = address === 0 ? -1 : offsetOf(address); at >= 0 && file.readUInt32LE(at + name) !== 0; at += size) {
      names.push(nameAt(file.readUInt32LE(at + name)));
    }
    return names;
  });
}

/** @param {string} program @param {string[]} args */
function tool(program, args) {
  return execFileSync(program, args, { encoding: "utf8", env: { ...process.env, LC_ALL: "C" }, maxBuffer: 1e8 });
}

/** What the group of a pattern matches, each time. @param {string} text @param {RegExp} pattern */
function all(text, pattern) {
  return [...text.matchAll(pattern)].map((match) => match[1] ?? "");
}
