// Locks where the file system refuses what Windows does for a moment: to rename a folder in which anybody has a file open, and to
// make one that was removed but is not gone yet.

import type * as FileSystem from "node:fs";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { withLock } from "../../scripts/lib/lock.mjs";

/** How often each is refused yet, and with which code. */
const refused = vi.hoisted(() => ({ mkdir: 0, rename: 0, lstat: 0, code: "EPERM" }));

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof FileSystem>();
  type Call = "mkdir" | "rename" | "lstat";
  const refusing =
    (call: Call, real: unknown) =>
    (path: string, ...rest: unknown[]): unknown => {
      if (refused[call] > 0 && path.endsWith("build")) {
        refused[call] -= 1;
        throw Object.assign(new Error(`${refused.code}: operation not permitted, ${call}`), { code: refused.code });
      }
      return (real as (...args: unknown[]) => unknown)(path, ...rest);
    };
  return {
    ...fs,
    mkdirSync: refusing("mkdir", fs.mkdirSync),
    renameSync: refusing("rename", fs.renameSync),
    lstatSync: refusing("lstat", fs.lstatSync),
  };
});

const platform = Object.getOwnPropertyDescriptor(process, "platform")!;
const become = (value: NodeJS.Platform): void =>
  void Object.defineProperty(process, "platform", { ...platform, value });

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "llama-native-lock-"));
  path = join(folder, "build");
  become("win32");
});
afterEach(() => {
  Object.defineProperty(process, "platform", platform);
  Object.assign(refused, { mkdir: 0, rename: 0, lstat: 0, code: "EPERM" });
  rmSync(folder, { recursive: true });
});

const take = (): Promise<string> => withLock(path, () => Promise.resolve("done"), { pollMs: 5 });

describe("a lock on Windows", () => {
  it.each(["EPERM", "EACCES", "EBUSY"])("is released once nobody reads it any more: %s", async (code) => {
    Object.assign(refused, { rename: 2, code });
    expect(await take()).toBe("done");
    expect(readdirSync(folder)).toEqual([]);
  });

  it("leaves what was done under it as it is where it cannot be released", async () => {
    refused.rename = Infinity;
    expect(await take()).toBe("done");
    expect(existsSync(path)).toBe(true);
  });

  it("is waited for while the one before is being removed", async () => {
    // Neither its name can be taken nor can it be looked at.
    Object.assign(refused, { mkdir: 2, lstat: 2 });
    let waited = false;
    const entered = withLock(path, () => Promise.resolve("done"), { pollMs: 5, onWait: () => (waited = true) });
    expect(await entered).toBe("done");
    expect(waited).toBe(true);
  });

  it("is taken where the one before is gone the moment after", async () => {
    refused.mkdir = 1;
    expect(await take()).toBe("done");
  });

  it("is an error where folders cannot be made", async () => {
    refused.mkdir = Infinity;
    await expect(take()).rejects.toMatchObject({ code: "EPERM" });
  });
});

it("a lock elsewhere waits for no file system that refuses, and fails no work for it either", async () => {
  become("linux");
  refused.rename = 2;
  expect(await take()).toBe("done");
  expect(refused.rename).toBe(1);
  Object.assign(refused, { rename: 0, mkdir: 1 });
  rmSync(path, { recursive: true });
  await expect(take()).rejects.toMatchObject({ code: "EPERM" });
});
