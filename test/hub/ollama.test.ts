import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { resolveModel } from "../../src/hub/index.js";
import { sha256 } from "../support/hub/hub-server.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox } from "../support/hub/sandbox.js";

let sandbox: Sandbox;

beforeEach(async () => {
  sandbox = await enterSandbox("http://127.0.0.1:1");
});

afterEach(async () => {
  await sandbox.leave();
});

/** What `ollama pull` leaves. */
async function pulled(name: string, content = `GGUF ${name}`): Promise<string> {
  const digest = sha256(Buffer.from(content));
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    config: {
      mediaType: "application/vnd.docker.container.image.v1+json",
      digest: `sha256:${sha256(Buffer.from("{}"))}`,
    },
    layers: [
      { mediaType: "application/vnd.ollama.image.model", digest: `sha256:${digest}`, size: content.length },
      { mediaType: "application/vnd.ollama.image.template", digest: `sha256:${sha256(Buffer.from("t"))}`, size: 1 },
    ],
  };
  const path = join(sandbox.folder, "ollama", "manifests", "registry.ollama.ai", ...name.split("/"));
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, JSON.stringify(manifest));
  const blob = join(sandbox.folder, "ollama", "blobs", `sha256-${digest}`);
  await mkdir(join(blob, ".."), { recursive: true });
  await writeFile(blob, content);
  return blob;
}

describe("a model that Ollama has", () => {
  it("is found by name and tag", async () => {
    const seven = await pulled("library/mistral/7b");
    const latest = await pulled("library/mistral/latest");
    const own = await pulled("someone/thing/q8_0");
    expect(await resolveModel("ollama:mistral:7b")).toBe(seven);
    expect(await resolveModel("ollama:mistral")).toBe(latest);
    expect(await resolveModel("ollama:someone/thing:q8_0")).toBe(own);
    expect(await resolveModel("ollama:someone/thing")).toBe(own); // the only tag there is
  });

  it.each([
    ["ollama:mistrl:7b", /no model mistrl:7b on this disk\. Did you mean ollama:mistral:7b\?$/],
    ["ollama:mistral", /several models mistral; choose one: ollama:mistral:7b, ollama:mistral:8b$/],
    ["ollama:something-else", /no model something-else:latest on this disk\. It has mistral:7b, mistral:8b$/],
  ])("is named where %s is not clear", async (source, message) => {
    await pulled("library/mistral/7b");
    await pulled("library/mistral/8b");
    await expect(resolveModel(source)).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: expect.stringMatching(message),
    });
  });

  it("is not there without its blob, or without Ollama", async () => {
    await expect(resolveModel("ollama:mistral")).rejects.toMatchObject({
      message: expect.stringMatching(/^Ollama has no models in /),
    });
    await pulled("library/half/latest");
    await mkdir(join(sandbox.folder, "ollama", "manifests", "registry.ollama.ai", "library", "broken"));
    await writeFile(
      join(sandbox.folder, "ollama", "manifests", "registry.ollama.ai", "library", "broken", "latest"),
      "{",
    );
    await expect(resolveModel("ollama:broken")).rejects.toMatchObject({
      message: expect.stringMatching(/It has half:latest|Did you mean/),
    });
  });
});
