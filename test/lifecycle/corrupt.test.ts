import { copyFile, mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { Death, LoadReport } from "../support/corrupt-runner.js";
import { LoadRunner } from "../support/corrupt-runner.js";
import type { CorruptFile } from "../support/corrupt/index.js";
import { corruptFiles, corruptionNames } from "../support/corrupt/index.js";
import { splitTinyModel, tinyModel } from "../support/models.js";

describe("damaged and foreign files", () => {
  const results = new Map<string, CorruptFile & { report: LoadReport | Death }>();
  const runner = new LoadRunner();
  let folder: string;
  let intact: (LoadReport | Death)[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "corrupt-"));
    for await (const file of corruptFiles(await tinyModel(), folder)) {
      results.set(file.name, { ...file, report: await runner.load(file.path) });
    }
    // Nothing that happened before may have harmed the process.
    intact = [await runner.load(await tinyModel()), await runner.load(await splitTinyModel())];
  }, 300_000);

  afterAll(async () => {
    await runner.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("are at least 50", () => {
    expect(new Set(corruptionNames).size).toBe(corruptionNames.length);
    expect(corruptionNames.length).toBeGreaterThanOrEqual(50);
  });

  it.each([...corruptionNames, "a folder"])("%s", (name) => {
    const { outcome, path, report } = results.get(name)!;
    if ("died" in report) expect.fail(`The process died: ${report.died}`);
    const { error } = report;
    expect(error === null || error.typed, error?.stack ?? "").toBe(true);
    if (outcome === "refused") {
      expect(report).toMatchObject({ loaded: false, error: { code: expect.stringMatching(/^MODEL_/) } });
    }
    if (outcome === "loads") expect(error).toBeNull();
    if (!report.loaded) {
      // The message names the file and goes on with the reason.
      expect(error?.message).toContain(basename(path));
      expect(error?.message.length).toBeGreaterThan(path.length + 10);
    }
  });

  const parts = ["00001-of-00003", "00002-of-00003", "00003-of-00003"];
  const part = (index: number): string => join(folder, `split-${parts[index]!}.gguf`);

  it.each<[string, number, () => Promise<unknown>]>([
    ["a part is missing", 1, () => rm(part(1))],
    ["a part is cut off", 2, () => truncate(part(2), 1_000_000)],
    ["a part is another one", 1, () => copyFile(part(2), part(1))],
    ["a part is empty", 1, () => truncate(part(1), 0)],
  ])("a split model: %s", async (_name, damaged, damage) => {
    const first = await splitTinyModel();
    for (const [index, name] of parts.entries()) await copyFile(first.replace(parts[0]!, name), part(index));
    await damage();
    const report = await runner.load(part(0));
    expect(report).toMatchObject({
      loaded: false,
      error: {
        typed: true,
        code: expect.stringMatching(/^MODEL_/),
        message: expect.stringContaining(basename(part(damaged))),
      },
    });
  });

  it("a split model: not its first part", async () => {
    const first = await splitTinyModel();
    const report = await runner.load(first.replace(parts[0]!, parts[1]!));
    // It names the file that is to be loaded instead.
    expect(report).toMatchObject({
      loaded: false,
      error: { typed: true, code: expect.stringMatching(/^MODEL_/), message: expect.stringContaining(first) },
    });
  });

  it("end no process, and leave it able to load", () => {
    expect(runner.started).toBe(1);
    expect(intact).toEqual([
      { loaded: true, error: null, generatedTokens: 4 },
      { loaded: true, error: null, generatedTokens: 4 },
    ]);
  });
});
