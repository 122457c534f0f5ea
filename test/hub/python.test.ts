import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { resolveModel } from "../../src/hub/index.js";
import { removeInstalled } from "../../src/hub/installed.js";
import type { HubServer } from "../support/hub/hub-server.js";
import { startHub } from "../support/hub/hub-server.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox } from "../support/hub/sandbox.js";
import { pythonPackage, runPython } from "../support/python.js";

const name = "owner/model-GGUF";
const content = randomBytes(3_000_000);
const small = randomBytes(2000);

let packages: string;
let hub: HubServer;
let sandbox: Sandbox;

beforeAll(async () => {
  packages = await pythonPackage("huggingface_hub==2.4.0");
}, 240_000);

beforeEach(async () => {
  hub = await startHub({ [name]: { files: { "model.Q4_K_M.gguf": content, "sub/small.F16.gguf": small } } });
  sandbox = await enterSandbox(hub.url);
});

afterEach(async () => {
  await hub.close();
  await sandbox.leave();
});

const python = (...args: string[]): Promise<string> =>
  runPython(args, packages, { ...sandbox.env, HF_HUB_DISABLE_TELEMETRY: "1" });
const downloaded = (file: string, options = ""): Promise<string> =>
  python("-c", `from huggingface_hub import hf_hub_download; print(hf_hub_download("${name}", "${file}"${options}))`);

describe("the hub's Python client", () => {
  it.each(["model.Q4_K_M.gguf", "sub/small.F16.gguf"])("downloads %s, and we find it", async (file) => {
    const path = await downloaded(file);
    const { length } = hub.requests;
    expect(await resolveModel(`hf:${name}/${file}`, { offline: true })).toBe(path);
    expect(await resolveModel(`hf:${name}/${file}`)).toBe(path);
    expect(hub.requests.length).toBe(length);
    // Asking the hub again changes nothing either.
    const sent = hub.sentBytes();
    expect(await resolveModel(`hf:${name}/${file}`, { refresh: true })).toBe(path);
    expect(hub.sentBytes()).toBe(sent);
  });

  it.each(["model.Q4_K_M.gguf", "sub/small.F16.gguf"])("finds %s where we have downloaded it", async (file) => {
    const path = await resolveModel(`hf:${name}/${file}`);
    const sent = hub.sentBytes();
    expect(await downloaded(file, ", local_files_only=True")).toBe(path);
    expect(await downloaded(file)).toBe(path);
    expect(hub.sentBytes()).toBe(sent);
  });

  it("downloads by its command, and we find it", async () => {
    await python(join(packages, "bin", "hf"), "download", name, "model.Q4_K_M.gguf");
    const path = await resolveModel(`hf:${name}:Q4_K_M`, { offline: true });
    expect((await readFile(path)).equals(content)).toBe(true);
  });

  it("lists what we have downloaded, and finds nothing wrong, nor when we have removed it", async () => {
    await resolveModel(`hf:${name}`);
    const program =
      "import json; from huggingface_hub import scan_cache_dir; info = scan_cache_dir();" +
      "print(json.dumps([[str(w) for w in info.warnings], [[r.repo_id, r.size_on_disk, sorted(r.refs)] for r in info.repos]]))";
    expect(JSON.parse(await python("-c", program))).toEqual([[], [[name, content.length, ["main"]]]]);
    await removeInstalled(`hf:${name}`, { dryRun: false });
    expect(JSON.parse(await python("-c", program))).toEqual([[], []]);
  });
});
