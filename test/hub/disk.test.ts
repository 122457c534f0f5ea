// Caches on disks that fail, are full, or belong to somebody else.

import { randomBytes } from "node:crypto";
import type * as SyncFileSystem from "node:fs";
import type * as FileSystem from "node:fs/promises";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { resolveModel } from "../../src/hub/index.js";
import { removeInstalled } from "../../src/hub/installed.js";
import type { HubServer } from "../support/hub/hub-server.js";
import { sha256, startHub } from "../support/hub/hub-server.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox } from "../support/hub/sandbox.js";

/** What the file system answers with to calls; "" where it does what is asked. */
const none = { write: "", truncate: "", sync: "", changes: "", lock: "" };
const disk = vi.hoisted(() => ({
  faults: { write: "", truncate: "", sync: "", changes: "", lock: "" },
  /** Writes that still succeed. */
  writes: 0,
  /** Bytes that are said to be free. */
  free: Infinity,
  handles: new Set<unknown>(),
  /** What was asked of it to keep a download's place, in order. */
  calls: [] as ("datasync" | "record")[],
}));

vi.mock("node:fs/promises", async (original) => {
  const fs = await original<typeof FileSystem>();
  const refusal = (code: string, syscall: string): Error =>
    Object.assign(new Error(`${code}: refused, ${syscall}`), { code, syscall });
  type Call = (...rest: unknown[]) => Promise<unknown>;
  const open: typeof fs.open = async (...args) => {
    const handle = await fs.open(...args);
    disk.handles.add(handle);
    const replace = (method: "write" | "truncate" | "sync" | "datasync" | "close", before: () => void): void => {
      const real = handle[method].bind(handle) as Call;
      const call: Call = async (...rest) => {
        before();
        return real(...rest);
      };
      Object.assign(handle, { [method]: call });
    };
    replace("write", () => {
      if (disk.faults.write !== "" && disk.writes-- <= 0) throw refusal(disk.faults.write, "write");
    });
    replace("truncate", () => {
      if (disk.faults.truncate !== "") throw refusal(disk.faults.truncate, "ftruncate");
    });
    replace("sync", () => {
      if (disk.faults.sync !== "") throw refusal(disk.faults.sync, "fsync");
    });
    replace("datasync", () => disk.calls.push("datasync"));
    replace("close", () => disk.handles.delete(handle));
    return handle;
  };
  const unless =
    (real: unknown, syscall: string): Call =>
    async (...rest) => {
      if (disk.faults.changes !== "") throw refusal(disk.faults.changes, syscall);
      return (real as Call)(...rest);
    };
  const writeFile: typeof fs.writeFile = async (path, ...rest) => {
    if (typeof path === "string" && path.endsWith(".incomplete.json.new")) disk.calls.push("record");
    return fs.writeFile(path, ...rest);
  };
  const statfs = async (path: string): Promise<unknown> =>
    disk.free === Infinity ? fs.statfs(path) : { bavail: disk.free, bsize: 1 };
  return {
    ...fs,
    open,
    statfs,
    mkdir: unless(fs.mkdir, "mkdir"),
    rename: unless(fs.rename, "rename"),
    rm: unless(fs.rm, "rm"),
    symlink: unless(fs.symlink, "symlink"),
    unlink: unless(fs.unlink, "unlink"),
    writeFile: unless(writeFile, "open"),
  };
});

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof SyncFileSystem>();
  const mkdirSync: (path: string, options?: object) => void = (path, options) => {
    const code = disk.faults.lock;
    if (code !== "" && path.endsWith(".lock"))
      throw Object.assign(new Error(`${code}: refused, mkdir '${path}'`), { code, syscall: "mkdir", path });
    fs.mkdirSync(path, options);
  };
  return { ...fs, mkdirSync };
});

const mebibyte = 1 << 20;
const content = Buffer.concat([Buffer.from("GGUF"), randomBytes(5 * mebibyte + 119)]);
const name = "owner/model-GGUF";
const source = `hf:${name}`;

let hub: HubServer;
let sandbox: Sandbox;
let blobs: string;

beforeEach(async () => {
  hub = await startHub({ [name]: { files: { "README.md": Buffer.from("#"), "model.Q4_K_M.gguf": content } } });
  sandbox = await enterSandbox(hub.url);
  blobs = join(sandbox.folder, "huggingface", "hub", "models--owner--model-GGUF", "blobs");
});

afterEach(async () => {
  Object.assign(disk, { faults: { ...none }, writes: 0, free: Infinity, calls: [] });
  await hub.close();
  await sandbox.leave();
});

const urlOf = (): string => `${hub.plainUrl}/${name}/resolve/main/model.Q4_K_M.gguf`;

const rejects = (what: string, message: RegExp, details = {}): Promise<void> =>
  expect(resolveModel(what, { refresh: true })).rejects.toMatchObject({
    name: "LlamaError",
    code: "DOWNLOAD",
    message: expect.stringMatching(message) as string,
    details,
  });

describe("a disk that fails", () => {
  it.each([
    [
      "ENOSPC",
      /^There is no room on the disk of \S+blobs; what was .* kept\. Make room, or let HF_HOME name/,
      "no room",
    ],
    [
      "EDQUOT",
      /^Your quota on the disk of \S+blobs is used up; what was .* kept\. Make room, or let HF_HOME/,
      "no room",
    ],
    ["EIO", /^The disk of \S+blobs fails \(EIO: .*\); what .* kept\. Check it, or let HF_HOME name a folder/, "disk"],
    [
      "EFBIG",
      /^The file system of \S+blobs takes no file of that size, as FAT32 .*; let HF_HOME name a folder/,
      "disk",
    ],
    ["EROFS", /^Cannot write to the cache folder \S+blobs \(EROFS\); HF_HOME can name another one$/, "disk"],
  ])("by %s says what to do, and keeps what there is", async (code, message, reason) => {
    disk.faults.write = code;
    await rejects(source, message, { folder: blobs, reason });
    expect(await readdir(blobs)).toEqual([]); // not a byte had arrived
    disk.writes = 20;
    await rejects(source, message, { folder: blobs, reason });
    expect(await readdir(blobs)).toHaveLength(2);
    expect(disk.handles.size).toBe(0);
    disk.faults.write = "";
    const before = hub.sentBytes();
    expect((await readFile(await resolveModel(source))).equals(content)).toBe(true);
    expect(hub.sentBytes() - before).toBeLessThan(content.length);
  });

  it("when everything has arrived says so too", async () => {
    disk.faults.sync = "EIO";
    await rejects(source, /^The disk of \S+blobs fails \(EIO: refused, fsync\)/);
    expect(disk.handles.size).toBe(0);
  });

  it("where the file is made leaves none, nor a handle of it", async () => {
    disk.faults.truncate = "EFBIG";
    await rejects(source, /^The file system of \S+blobs takes no file of that size/);
    expect(await readdir(blobs)).toEqual([]);
    expect(disk.handles.size).toBe(0);
  });

  it("names the variable of our own cache for a URL", async () => {
    disk.faults.write = "ENOSPC";
    await rejects(urlOf(), /Make room, or let LLAMA_NATIVE_CACHE_DIR name a folder/);
  });
});

describe("a cache of somebody else", () => {
  it("serves what is in it, also where the hub is asked for something newer", async () => {
    const path = await resolveModel(source);
    Object.assign(disk.faults, { changes: "EROFS", lock: "EROFS" });
    expect(await resolveModel(source, { refresh: true })).toBe(path);
  });

  it("says that it cannot be written where there is something newer", async () => {
    await resolveModel(source);
    hub.repositories.get(name)!.files["README.md"] = Buffer.from("# more");
    disk.faults.changes = "EACCES";
    await rejects(source, /^Cannot write to the cache folder \S+ \(EACCES\); HF_HOME can name another one$/);
  });

  it("says so of its locks, for a download and for a removal", async () => {
    disk.faults.lock = "EACCES";
    const message =
      /^Cannot write to the cache folder \S+\.locks\/models--owner--model-GGUF \(EACCES\); HF_HOME can name another one$/;
    await rejects(source, message);
    disk.faults.lock = "";
    await resolveModel(source);
    disk.faults.lock = "EACCES";
    await expect(removeInstalled(source, { dryRun: false })).rejects.toMatchObject({
      code: "DOWNLOAD",
      message: expect.stringMatching(message) as string,
    });
  });

  it("says so of the folder for other URLs", async () => {
    disk.faults.changes = "EACCES";
    await rejects(
      urlOf(),
      /^Cannot write to the cache folder \S+downloads\S+ \(EACCES\); LLAMA_NATIVE_CACHE_DIR can name another one$/,
    );
  });
});

it("a split model of a URL is not begun where there is room for its first file alone", async () => {
  const parts = [1, 2].map((part) => [
    `m-0000${part}-of-00002.gguf`,
    Buffer.concat([Buffer.from("GGUF"), randomBytes(mebibyte)]),
  ]);
  hub.repositories.set("owner/split-GGUF", { files: Object.fromEntries(parts) as Record<string, Buffer> });
  disk.free = 1.5 * mebibyte;
  const first = urlOf().replace(`${name}/`, "owner/split-GGUF/").replace("model.Q4_K_M.gguf", "m-00001-of-00002.gguf");
  await rejects(first, /^There is no room on the disk of .*: 0\.00 GB are needed and 0\.00 GB are free\. Make room/, {
    neededBytes: 2 * (mebibyte + 4),
    availableBytes: 1.5 * mebibyte,
  });
  expect(hub.requests.filter(({ range }) => range !== undefined && range !== "bytes=0-3")).toEqual([]);
  disk.free = 2.5 * mebibyte;
  await resolveModel(first);
});

it("a download without a hash notes only what a loss of power leaves, one with a hash what is written", async () => {
  await resolveModel(urlOf());
  const [records, synced] = ["record", "datasync"].map((call) => disk.calls.filter((made) => made === call).length);
  expect(records).toBeGreaterThan(0);
  expect(synced).toBe(records);
  expect(disk.calls[0]).toBe("datasync");
  disk.calls = [];
  await resolveModel(source);
  expect(new Set(disk.calls)).toEqual(new Set(["record"]));
});

it("a download that is gone on with needs no room for what its file has already", async () => {
  // Some file systems give a file all of its room when it is made.
  await mkdir(blobs, { recursive: true });
  const partial = join(blobs, `${sha256(content)}.llama-native.incomplete`);
  await writeFile(partial, Buffer.alloc(content.length));
  const done = [0, 0, 0, 0, 0, 0];
  const state = { key: sha256(content), sizeBytes: content.length, chunkBytes: mebibyte, done };
  await writeFile(`${partial}.json`, JSON.stringify(state));
  expect((await stat(partial)).blocks * 512).toBeGreaterThanOrEqual(content.length);
  disk.free = 1000;
  expect((await readFile(await resolveModel(source))).equals(content)).toBe(true);
});
