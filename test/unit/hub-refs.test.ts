import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, it } from "vitest";

import { locksFolder, repositoryFolder, writeRef } from "../../src/hub/hub-cache.js";

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "llama-native-refs-"));
});
afterEach(() => rm(cache, { recursive: true, force: true }));

it("branches and tags that are written at the same time name each their own commit", async () => {
  const commits = Array.from({ length: 40 }, (_, index) => String(index).padStart(40, "0"));
  await Promise.all(commits.map((commit, index) => writeRef(cache, "owner/name", `tag${index}`, commit)));
  const refs = join(repositoryFolder(cache, "owner/name"), "refs");
  for (const [index, commit] of commits.entries()) {
    expect(await readFile(join(refs, `tag${index}`), "utf8")).toBe(commit);
  }
  expect(await readdir(locksFolder(cache, "owner/name"))).toEqual([]);
});
