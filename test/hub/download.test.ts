import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { resolveModel } from "../../src/hub/index.js";
import type { HubServer } from "../support/hub/hub-server.js";
import { commitOf, sha256, startHub } from "../support/hub/hub-server.js";

const mebibyte = 1 << 20;

describe("a model of the hub", () => {
  const content = randomBytes(5 * mebibyte + 123);
  let hub: HubServer;
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "hub-download-"));
    hub = await startHub({ "owner/model-GGUF": { files: { "model.Q4_K_M.gguf": content, "README.md": Buffer.from("#") } } });
    process.env["HF_ENDPOINT"] = hub.url;
    process.env["HF_HOME"] = folder;
  });

  afterEach(async () => {
    await hub.close();
    await rm(folder, { recursive: true });
  });

  it("is downloaded into the hub's own cache", async () => {
    const path = await resolveModel("hf:owner/model-GGUF");
    const repository = join(folder, "hub", "models--owner--model-GGUF");
    const commit = commitOf(hub.repositories.get("owner/model-GGUF")!);
    expect(path).toBe(join(repository, "snapshots", commit, "model.Q4_K_M.gguf"));
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(await readdir(join(repository, "blobs"))).toEqual([sha256(content)]);
    expect(await readFile(join(repository, "refs", "main"), "utf8")).toBe(commit);
  });
});
