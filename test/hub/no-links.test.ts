// A cache on a file system without symbolic links, as exFAT, or for a user who may make none, as on Windows.

import { randomBytes } from "node:crypto";
import type * as FileSystem from "node:fs/promises";
import { copyFile, lstat, mkdir, readdir, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { resolveModel } from "../../src/hub/index.js";
import { installedModels, removeInstalled } from "../../src/hub/installed.js";
import type { HubServer } from "../support/hub/hub-server.js";
import { commitOf, sha256, startHub } from "../support/hub/hub-server.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox } from "../support/hub/sandbox.js";

/** What the file system says to links; "" where it makes them. */
const links = vi.hoisted(() => ({ symbolic: "EPERM", hard: "" }));
vi.mock("node:fs/promises", async (original) => {
  const fs = await original<typeof FileSystem>();
  const refusal = (code: string): Error => Object.assign(new Error(`${code}: refused`), { code });
  const symlink: typeof fs.symlink = (target, path) =>
    links.symbolic === "" ? fs.symlink(target, path) : Promise.reject(refusal(links.symbolic));
  const link: typeof fs.link = (from, to) =>
    links.hard === "" ? fs.link(from, to) : Promise.reject(refusal(links.hard));
  return { ...fs, symlink, link };
});

const mebibyte = 1 << 20;
const content = Buffer.concat([Buffer.from("GGUF"), randomBytes(3 * mebibyte)]);
const name = "owner/model-GGUF";
const source = `hf:${name}`;

let hub: HubServer;
let sandbox: Sandbox;
let repository: string;

beforeEach(async () => {
  Object.assign(links, { symbolic: "EPERM", hard: "EPERM" });
  hub = await startHub({ [name]: { files: { "README.md": Buffer.from("#"), "model.Q4_K_M.gguf": content } } });
  sandbox = await enterSandbox(hub.url);
  repository = join(sandbox.folder, "huggingface", "hub", "models--owner--model-GGUF");
});

afterEach(async () => {
  await hub.close();
  await sandbox.leave();
});

/** Every file of the repository's folder but its refs, by its path there. */
async function filesHere(): Promise<string[]> {
  const names = await readdir(repository, { recursive: true }).catch(() => []);
  const found = await Promise.all(names.map((path) => lstat(join(repository, path))));
  return names.filter((path, index) => found[index]?.isDirectory() === false && !path.startsWith("refs")).sort();
}

const inSnapshot = (): string => join("snapshots", commitOf(hub.repositories.get(name)!), "model.Q4_K_M.gguf");

describe("a cache without links", () => {
  it.each(["EPERM", "ENOSYS", "ENOTSUP", "EINVAL"])(
    "has one copy, in the snapshot, where links are refused by %s",
    async (code) => {
      links.symbolic = code;
      const path = await resolveModel(source);
      expect(path).toBe(join(repository, inSnapshot()));
      expect((await lstat(path)).isFile()).toBe(true);
      expect((await readFile(path)).equals(content)).toBe(true);
      expect(await filesHere()).toEqual([inSnapshot()]);
    },
  );

  it("is found and listed, and is not downloaded again", async () => {
    const path = await resolveModel(source);
    const sent = hub.sentBytes();
    expect(await resolveModel(source, { offline: true })).toBe(path);
    expect(await resolveModel(source, { refresh: true })).toBe(path);
    expect(hub.sentBytes()).toBe(sent);
    expect(await installedModels()).toMatchObject([{ name: `${source}:Q4_K_M`, path, sizeBytes: content.length }]);
    expect(await filesHere()).toEqual([inSnapshot()]);
  });

  it("is filled once by two that pull at the same time", async () => {
    const paths = await Promise.all([resolveModel(source), resolveModel(source)]);
    expect(new Set(paths).size).toBe(1);
    expect(hub.sentBytes()).toBe(content.length);
    expect(await filesHere()).toEqual([inSnapshot()]);
  });

  it("goes on with what was begun, and with what was whole but not moved yet", async () => {
    hub.behave = (request) => (request.storage ? { rate: mebibyte } : undefined);
    const controller = new AbortController();
    const stopped = resolveModel(source, {
      signal: controller.signal,
      onDownload: ({ bytes }) => bytes > mebibyte && controller.abort(new Error("enough")),
    });
    await expect(stopped).rejects.toThrow("enough");
    hub.behave = () => undefined;
    const before = hub.sentBytes();
    const path = await resolveModel(source);
    expect(hub.sentBytes() - before).toBeLessThan(content.length - mebibyte / 2);
    const sent = hub.sentBytes();
    await rename(path, join(repository, "blobs", sha256(content)));
    await resolveModel(source);
    expect(hub.sentBytes()).toBe(sent);
    expect(await filesHere()).toEqual([inSnapshot()]);
  });

  it.each(["EPERM", ""])("takes from another commit's snapshot what has not changed (hard links: %j)", async (hard) => {
    links.hard = hard;
    const first = await resolveModel(source);
    const sent = hub.sentBytes();
    hub.repositories.get(name)!.files["README.md"] = Buffer.from("# more");
    const second = await resolveModel(source, { refresh: true });
    expect(second).not.toBe(first);
    expect((await readFile(second)).equals(content)).toBe(true);
    expect(hub.sentBytes()).toBe(sent);
    expect((await stat(first)).ino === (await stat(second)).ino).toBe(hard === "");
    expect(await filesHere()).toHaveLength(2);
  });

  it("ends with the signal's reason while it checks what another commit's snapshot has", async () => {
    await resolveModel(source);
    hub.repositories.get(name)!.files["README.md"] = Buffer.from("# more");
    const controller = new AbortController();
    const reason = new Error("enough");
    const stopped = resolveModel(source, {
      refresh: true,
      signal: controller.signal,
      onDownload: ({ phase }) => phase === "verifying" && controller.abort(reason),
    });
    await expect(stopped).rejects.toBe(reason);
  });

  it("takes nothing that has the size alone", async () => {
    await resolveModel(source);
    const other = Buffer.from(content).fill(7, 100);
    hub.repositories.get(name)!.files["model.Q4_K_M.gguf"] = other;
    expect((await readFile(await resolveModel(source, { refresh: true }))).equals(other)).toBe(true);
  });

  it("keeps a blob that a link of an earlier time leads to", async () => {
    links.symbolic = "";
    const first = await resolveModel(source);
    links.symbolic = "EPERM";
    hub.repositories.get(name)!.files["README.md"] = Buffer.from("# more");
    const second = await resolveModel(source, { refresh: true });
    for (const path of [first, second]) expect((await readFile(path)).equals(content)).toBe(true);
  });

  it("is empty when its model is removed", async () => {
    await resolveModel(source);
    const { paths, freedBytes } = await removeInstalled(`${source}:Q4_K_M`, { dryRun: false });
    expect(paths).toEqual([join(repository, inSnapshot())]);
    expect(freedBytes).toBe(content.length);
    expect(await filesHere()).toEqual([]);
  });

  it.each([":Q4_K_M", ""])("gives back the blob that was copied into the snapshot too (%j)", async (which) => {
    const path = await resolveModel(source);
    const blobs = join(repository, "blobs");
    await mkdir(blobs, { recursive: true });
    await copyFile(path, join(blobs, sha256(content)));
    const other = randomBytes(content.length);
    await copyFile(path, join(blobs, sha256(other))); // of another name: no copy of this model
    const { freedBytes } = await removeInstalled(source + which, { dryRun: false });
    expect(freedBytes).toBe(content.length * (which === "" ? 3 : 2));
    expect(await filesHere()).toEqual(which === "" ? [] : [join("blobs", sha256(other))]);
  });
});
