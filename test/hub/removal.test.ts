// Removing what others use or download at the same time.

import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import type * as FileSystem from "node:fs/promises";
import { mkdir, readFile, readlink, realpath, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { blobLock } from "../../src/hub/hub-cache.js";
import { findModel, resolveModel } from "../../src/hub/index.js";
import { installedModels, removeInstalled } from "../../src/hub/installed.js";
import { fileLock, withLock } from "../../src/hub/lock.js";
import { partialPath } from "../../src/hub/partial-file.js";
import { start } from "../cli/command.js";
import type { Behaviour, HubServer } from "../support/hub/hub-server.js";
import { sha256, startHub } from "../support/hub/hub-server.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox } from "../support/hub/sandbox.js";

/** Whether the lock was held when a file was removed, and what another process removes before its path is looked at. */
const seen = vi.hoisted(() => ({ locks: [] as boolean[], lock: "", removed: "" }));
vi.mock("node:fs/promises", async (original) => {
  const fs = await original<typeof FileSystem>();
  const watchedRm: typeof fs.rm = (path, options) => {
    if (seen.lock !== "") seen.locks.push(existsSync(seen.lock));
    return fs.rm(path, options);
  };
  const late = async (path: string): Promise<string> => {
    if (path === seen.removed) await fs.rm(path);
    return fs.realpath(path);
  };
  return { ...fs, rm: watchedRm, realpath: late };
});

const mebibyte = 1 << 20;
const content = Buffer.concat([Buffer.from("GGUF"), randomBytes(8 * mebibyte)]);
const name = "owner/model-GGUF";
const source = `hf:${name}`;
const refused = { code: "DOWNLOAD", message: expect.stringContaining("is just being downloaded; stop that first") };

let hub: HubServer;
let sandbox: Sandbox;
let lock: string;

beforeEach(async () => {
  hub = await startHub({ [name]: { files: { "model.Q4_K_M.gguf": content }, refs: ["v1"] } });
  sandbox = await enterSandbox(hub.url);
  lock = blobLock(join(sandbox.folder, "huggingface", "hub"), name, sha256(content));
});

afterEach(async () => {
  Object.assign(seen, { locks: [], lock: "", removed: "" });
  await hub.close();
  await sandbox.leave();
});

/** Of a server that is not known for a hub. */
const urlOf = (): string => `${hub.plainUrl}/${name}/resolve/main/model.Q4_K_M.gguf`;

describe("removing a model", () => {
  it("is refused while another process has to do with a file of it, though that is whole", async () => {
    const path = await resolveModel(source);
    await withLock(lock, () => expect(removeInstalled(source, { dryRun: false })).rejects.toMatchObject(refused), {});
    expect((await stat(path)).size).toBe(content.length);
    await removeInstalled(source, { dryRun: false });
    await expect(stat(path)).rejects.toThrow("ENOENT");
  });

  it("waits for what takes a moment", async () => {
    await resolveModel(source);
    const moment = withLock(lock, () => sleep(100), {});
    const { freedBytes } = await removeInstalled(source, { dryRun: false });
    expect(freedBytes).toBe(content.length);
    await moment;
  });

  it("holds the lock of a download while it removes, and leaves nothing of it", async () => {
    await resolveModel(source);
    seen.lock = lock;
    const { paths } = await removeInstalled(source, { dryRun: false });
    expect(seen.locks.slice(0, paths.length)).toEqual(paths.map(() => true));
    expect(existsSync(lock)).toBe(false);
  });

  it("leaves alone what its files lead to outside of the cache", async () => {
    const path = await resolveModel(source);
    const blob = await realpath(path);
    const elsewhere = join(sandbox.folder, "another-disk.gguf");
    await rename(blob, elsewhere);
    await symlink(elsewhere, blob); // the blob itself, as of a user who needed room
    expect(await removeInstalled(source, { dryRun: false })).toEqual({ paths: [path, blob], freedBytes: 0 });
    expect((await readFile(elsewhere)).equals(content)).toBe(true);
    await mkdir(dirname(path), { recursive: true });
    await symlink(elsewhere, path); // or what is in the snapshot
    expect(await removeInstalled(source, { dryRun: false })).toEqual({ paths: [path], freedBytes: 0 });
    expect((await readFile(elsewhere)).equals(content)).toBe(true);
  });

  it("leaves no folder behind where the lock was in it", async () => {
    const path = await resolveModel(urlOf());
    await removeInstalled(urlOf(), { dryRun: false });
    expect([existsSync(path), existsSync(dirname(path))]).toEqual([false, false]);
  });

  it("takes what came to its end while it waited", async () => {
    const path = await resolveModel(source);
    const blob = await realpath(path);
    const link = await readlink(path);
    await rename(blob, partialPath(blob));
    await rm(path);
    let removal: ReturnType<typeof removeInstalled> | undefined;
    await withLock(
      lock,
      async () => {
        removal = removeInstalled(source, { dryRun: false });
        await sleep(200);
        await rename(partialPath(blob), blob);
        await symlink(link, path);
      },
      {},
    );
    expect((await removal)?.freedBytes).toBe(content.length);
    expect([existsSync(blob), existsSync(path)]).toEqual([false, false]);
  });
});

describe("two models of one quantization", () => {
  const two = "owner/two-GGUF";
  const named = async (): Promise<string[]> => (await installedModels()).map((model) => model.name);

  it.each([
    ["of one commit", false],
    ["of two", true],
  ])("%s have names of their own, by which one is removed without the other", async (_, moves) => {
    const files: Record<string, Buffer> = {
      "small.Q4_K_M.gguf": randomBytes(1000),
      "large.Q4_K_M.gguf": randomBytes(2000),
    };
    hub.repositories.set(two, { files });
    await resolveModel(`hf:${two}/small.Q4_K_M.gguf`);
    if (moves) files["README.md"] = Buffer.from("# more");
    await resolveModel(`hf:${two}/large.Q4_K_M.gguf`);
    expect(await named()).toEqual([`hf:${two}/large.Q4_K_M.gguf`, `hf:${two}/small.Q4_K_M.gguf`]);
    await expect(removeInstalled(`hf:${two}:Q4_K_M`, { dryRun: false })).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: expect.stringContaining(`choose one, or remove them with --all: hf:${two}/large.Q4_K_M.gguf, hf:`),
    });
    expect((await removeInstalled(`hf:${two}/large.Q4_K_M.gguf`, { dryRun: false })).freedBytes).toBe(2000);
    expect(await named()).toEqual([`hf:${two}:Q4_K_M`]);
  });
});

describe("a split model whose download was killed in its second part", () => {
  const split = "owner/split-GGUF";
  const parts = [1, 2, 3].map((part) => `m-Q8_0-0000${part}-of-00003.gguf`);
  const [firstPart = ""] = parts;
  const cache = (): string => join(sandbox.folder, "huggingface", "hub", "models--owner--split-GGUF");
  const downloads = (): string => join(sandbox.folder, "own", "models", "downloads");
  const urlOfParts = (): string => urlOf().replace(name, split).replace("model.Q4_K_M.gguf", firstPart);

  beforeEach(() => {
    const part = (): Buffer => Buffer.concat([Buffer.from("GGUF"), randomBytes(mebibyte)]);
    hub.repositories.set(split, { files: Object.fromEntries(parts.map((file) => [file, part()])) });
  });

  async function killIn(source: string, folder: string): Promise<void> {
    // A kilobyte at a time, once the first part is there.
    hub.behave = ({ storage }) => (storage && hub.sentBytes() > mebibyte ? { rate: 1 } : undefined);
    const { child, outcome } = start(["pull", source], sandbox.env);
    const isRecorded = (): boolean => {
      const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
      return hub.sentBytes() > mebibyte + 500 && names.some((path) => path.endsWith(".incomplete.json"));
    };
    while (!isRecorded()) await sleep(5);
    child.kill("SIGKILL");
    await outcome;
  }

  it("is listed as unfinished, and found by nothing that loads models", async () => {
    await killIn(`hf:${split}`, cache());
    expect(await installedModels()).toMatchObject([{ name: `hf:${split}:Q8_0`, unfinished: true }]);
    const { stdout } = await start(["models", "list"], sandbox.env).outcome;
    expect(stdout).toMatch(/hf:owner\/split-GGUF:Q8_0 .* hub, unfinished\n/);
    await expect(resolveModel(`hf:${split}`, { offline: true })).rejects.toMatchObject({ code: "DOWNLOAD" });
  });

  it("leaves nothing when it is removed by the repository's name", async () => {
    await killIn(`hf:${split}`, cache());
    await removeInstalled(`hf:${split}`, { dryRun: false });
    expect(existsSync(cache())).toBe(false);
  });

  it.each([":Q8_0", `/${firstPart}`])("leaves no whole part when it is removed by %s", async (which) => {
    await killIn(`hf:${split}`, cache());
    const { freedBytes } = await removeInstalled(`hf:${split}${which}`, { dryRun: false });
    expect(freedBytes).toBe(mebibyte + 4);
    expect(await installedModels()).toEqual([]);
    await removeInstalled(`hf:${split}`, { dryRun: false });
    expect(existsSync(cache())).toBe(false);
  });

  it.each<[string, (path: string) => string]>([
    ["its URL", urlOfParts],
    ["the path that is listed", (path) => path],
  ])("leaves nothing when it came from a URL and is removed by %s", async (_, nameOf) => {
    await killIn(urlOfParts(), downloads());
    const [model] = await installedModels();
    expect(model).toMatchObject({ unfinished: true });
    await removeInstalled(nameOf(model!.path), { dryRun: false });
    expect(existsSync(downloads())).toBe(false);
  });
});

describe("branches of other repositories", () => {
  it("stay, whatever clients have left of their snapshots, and so do those of which a client remembers what is missing", async () => {
    const path = await resolveModel(source);
    const folder = dirname(dirname(dirname(path)));
    const commit = "7".repeat(40);
    const other = join(dirname(folder), "models--owner--other", "refs", "main");
    const remembered = join(folder, "refs", "pr");
    for (const ref of [other, remembered]) {
      await mkdir(dirname(ref), { recursive: true });
      await writeFile(ref, commit);
    }
    await mkdir(join(folder, ".no_exist", commit), { recursive: true });
    await removeInstalled(source, { dryRun: false });
    expect([existsSync(other), existsSync(remembered), existsSync(join(folder, "refs", "main"))]).toEqual([
      true,
      true,
      false,
    ]);
  });
});

describe("a model of a Python package", () => {
  const wheel = findModel("smollm2")!.wheel!;
  const left = (): string => join(sandbox.folder, "own", "models", `.partial-${wheel.fileName}-abc123`);

  beforeEach(async () => {
    await mkdir(left(), { recursive: true });
    await writeFile(join(left(), "half.whl"), "half");
  });

  it.each(["smollm2", "smollm2:Q4_1"])("leaves nothing of a download that was killed: %s", async (name) => {
    expect(await removeInstalled(name, { dryRun: false })).toEqual({ paths: [left()], freedBytes: 4 });
    expect(existsSync(left())).toBe(false);
  });

  it("is not removed while it is fetched, nor what is no part of what is named", async () => {
    const file = join(sandbox.folder, "own", "models", wheel.fileName);
    await withLock(
      fileLock(file),
      () => expect(removeInstalled("smollm2", { dryRun: false })).rejects.toMatchObject(refused),
      {},
    );
    await expect(removeInstalled("smollm2:Q8_0", { dryRun: false })).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
    expect(existsSync(left())).toBe(true);
  });
});

describe("what another process removes at the same time", () => {
  it("is not listed, and keeps nothing else from being listed or removed", async () => {
    const other = { "other.Q8_0.gguf": randomBytes(1000) };
    hub.repositories.set("owner/other-GGUF", { files: other });
    const path = await resolveModel(source);
    await resolveModel("hf:owner/other-GGUF");
    seen.removed = path;
    expect((await installedModels()).map((model) => model.name)).toEqual(["hf:owner/other-GGUF:Q8_0"]);
    expect((await removeInstalled("hf:owner/other-GGUF", { dryRun: false })).freedBytes).toBe(1000);
  });
});

describe("a blob that another revision has already", () => {
  it("is linked while nobody removes it, and else downloaded again", async () => {
    const blob = await realpath(await resolveModel(source));
    hub.repositories.get(name)!.commit = "1".repeat(40); // where v1 has the same file
    let second: Promise<string> | undefined;
    await withLock(
      lock,
      async () => {
        second = resolveModel(`${source}@v1`);
        await sleep(300);
        await rm(blob);
      },
      {},
    );
    expect((await readFile((await second)!)).equals(content)).toBe(true);
    expect(hub.sentBytes()).toBe(2 * content.length);
  });
});

describe("two processes", () => {
  it.each<[string, () => string]>([
    ["of the hub", () => source],
    ["of a URL", urlOf],
  ])("of which one removes what the other downloads %s: it goes on, and its file is whole", async (_, nameOf) => {
    const slow: Behaviour = { rate: 1 }; // a kilobyte at a time, until the other has ended
    hub.behave = (request) => (request.storage ? slow : undefined);
    const { outcome } = start(["pull", nameOf()], sandbox.env);
    while (hub.sentBytes() < mebibyte / 8) await sleep(5);
    const removal = await start(["models", "rm", nameOf()], sandbox.env).outcome;
    expect(removal).toMatchObject({ code: 1, stderr: expect.stringContaining("is just being downloaded") });
    delete slow.rate;
    const { code, stdout } = await outcome;
    expect(code).toBe(0);
    expect((await readFile(stdout.trim())).equals(content)).toBe(true);
  });
});
