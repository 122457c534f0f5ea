// Looking for a newer file of a URL, as `pull` does, where one is here.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { resolveModel } from "../../src/hub/index.js";
import { installedModels, removeInstalled } from "../../src/hub/installed.js";
import type { HubServer } from "../support/hub/hub-server.js";
import { startHub } from "../support/hub/hub-server.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox, setVariables } from "../support/hub/sandbox.js";

const model = (): Buffer => Buffer.concat([Buffer.from("GGUF"), randomBytes(200_000)]);
const content = model();
const name = "owner/model-GGUF";

let hub: HubServer;
let sandbox: Sandbox;
let url: string;

beforeEach(async () => {
  hub = await startHub({ [name]: { files: { "model.Q4_K_M.gguf": content } } });
  sandbox = await enterSandbox(hub.url);
  url = `${hub.plainUrl}/${name}/resolve/main/model.Q4_K_M.gguf`;
});

afterEach(async () => {
  await hub.close();
  await sandbox.leave();
});

const refresh = (source: string): Promise<string> => resolveModel(source, { refresh: true });

describe("a file of a URL that is here", () => {
  it("is taken when offline, and nothing is asked", async () => {
    const path = await resolveModel(url);
    const { length } = hub.requests;
    expect(await resolveModel(url, { refresh: true, offline: true })).toBe(path);
    setVariables({ HF_HUB_OFFLINE: "1" });
    expect(await refresh(url)).toBe(path);
    expect(hub.requests.length).toBe(length);
  });

  it("is taken where the server cannot be reached", async () => {
    const path = await resolveModel(url);
    await hub.close();
    expect(await refresh(url)).toBe(path);
  });

  it("is not downloaded again while the server has the same, and is when it has another", async () => {
    const path = await refresh(url);
    const sent = hub.sentBytes();
    expect(await refresh(url)).toBe(path);
    expect(hub.sentBytes() - sent).toBe(4); // by which it is known for a model
    const other = model();
    hub.repositories.get(name)!.files["model.Q4_K_M.gguf"] = other;
    expect(await refresh(url)).toBe(path);
    expect((await readFile(path)).equals(other)).toBe(true);
  });

  it("is downloaded again where it is not what was downloaded", async () => {
    const path = await resolveModel(url);
    await writeFile(path, "GGUF");
    await refresh(url);
    expect((await readFile(path)).equals(content)).toBe(true);
  });

  it("is listed without what is kept beside it, and removed with it", async () => {
    const path = await resolveModel(url);
    expect((await installedModels()).map((installed) => installed.path)).toEqual([path]);
    await removeInstalled(url, { dryRun: false });
    expect(existsSync(dirname(path))).toBe(false);
  });

  it.each<[string, Record<string, string>, number]>([
    [
      "once where the server tells the time of its last change",
      { "last-modified": "Mon, 01 Jan 2024 00:00:00 GMT" },
      1,
    ],
    ["each time where the server tells nothing of it", {}, 2],
  ])("and has no ETag is downloaded %s", async (_, headers, downloads) => {
    let whole = 0;
    const server = createServer((request, response) => {
      const [, first = "0", last = "0"] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
      const end = Math.min(Number(last), content.length - 1);
      if (end > 3) whole++;
      const range = `bytes ${first}-${end}/${content.length}`;
      response.writeHead(206, { ...headers, "content-range": range }).end(content.subarray(Number(first), end + 1));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const source = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`;
    const path = await refresh(source);
    await refresh(source);
    server.closeAllConnections();
    server.close();
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(whole).toBe(downloads);
  });
});
