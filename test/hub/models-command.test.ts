import { copyFile, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import type { ModelOverview } from "../../src/cli/models/overview.js";
import type { KnownModel } from "../../src/hub/index.js";
import { blobLock } from "../../src/hub/hub-cache.js";
import type { InstalledModel, Removal } from "../../src/hub/installed.js";
import { withLock } from "../../src/hub/lock.js";
import type { Outcome } from "../cli/command.js";
import { run as runCommand } from "../cli/command.js";
import type { HubServer } from "../support/hub/hub-server.js";
import { startHub } from "../support/hub/hub-server.js";
import { pulledByOllama } from "../support/hub/ollama.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox } from "../support/hub/sandbox.js";
import { splitTinyModel, tinyModel } from "../support/models.js";
import { writeFakePython, writeWheel } from "../support/wheel.js";

const name = "TheBloke/Mistral-7B-Instruct-v0.2-GGUF";

let q4: Buffer;
let f16: Buffer;
let hub: HubServer;
let sandbox: Sandbox;

beforeAll(async () => {
  [q4, f16] = (await Promise.all([tinyModel(), tinyModel("f16")].map(async (path) => readFile(await path)))) as [
    Buffer,
    Buffer,
  ];
}, 60_000);

beforeEach(async () => {
  hub = await startHub({
    [name]: {
      files: {
        "mistral-7b-instruct-v0.2.Q4_K_M.gguf": q4,
        "mistral-7b-instruct-v0.2.fp16.gguf": f16,
        "README.md": Buffer.from("#"),
      },
    },
  });
  sandbox = await enterSandbox(hub.url);
});

afterEach(async () => {
  await hub.close();
  await sandbox.leave();
});

const run = (...args: string[]): Promise<Outcome> => runCommand(args, { env: sandbox.env });
async function json<T = ModelOverview>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as T;
}

describe("models show", () => {
  it("is the model at a glance, by a few bytes of one file", async () => {
    const { code, stdout } = await run("models", "show", "mistral");
    expect(code).toBe(0);
    for (const fact of [
      /^mistral-7b-instruct-v0\.2\n/,
      /Weights of +mistralai\/Mistral-7B-Instruct-v0\.2\n/,
      /Files from +TheBloke\/Mistral-7B-Instruct-v0\.2-GGUF\n/,
      /Licence +apache-2\.0\n/,
      /Parameters +[\d.]+M, 2 layers, architecture llama\n/,
      /Context +32768 tokens\n/,
      /Prompt format +\[INST\] message \[\/INST\] answer<\/s>; no system role\n/,
      /Good at +\S/,
      /Not good at +tool calls/,
      /quantization +file +here +KV cache +4096 tokens +16384 tokens +32768 tokens\n/,
      /Q4_K_M +12\.8 MB +f16 +[\d.]+ MB yes +[\d.]+ MB yes +[\d.]+ MB yes/,
      /F16 +35\.9 MB +f16 /,
      /yes: in the [\d.]+ [GM]B that are free now of this (machine|container)'s/,
      /GPU: none that this build uses/,
    ]) {
      expect(stdout).toMatch(fact);
    }
    expect(hub.sentBytes()).toBeLessThan(5_000_000);
  });

  it("tells programs every type of KV cache", async () => {
    const overview = await json("models", "show", `hf:${name}:fp16`);
    expect(overview).toMatchObject({ name: "mistral-7b-instruct-v0.2:fp16", layerCount: 2, isExact: true });
    expect(overview.quantizations).toHaveLength(1);
    expect(overview.quantizations[0]).toMatchObject({ quantization: "F16", sizeBytes: f16.length, path: null });
    const { memory } = overview.quantizations[0]!;
    expect(memory).toHaveLength(9 * 3);
    const f16Cache = memory.find((need) => need.kvType === "f16" && need.contextSize === 16_384);
    const q8Cache = memory.find((need) => need.kvType === "q8_0" && need.contextSize === 16_384);
    const saved = f16Cache!.bytes - q8Cache!.bytes;
    expect(Math.abs(saved - 16_384 * (1024 - 544))).toBeLessThan(2_000_000); // buffers differ a little too
    expect(f16Cache!.fit).toBe("yes");
  });

  it("knows what is here, and needs no network for it", async () => {
    await run("pull", "mistral");
    const online = await json("models", "show", "mistral");
    expect(online.quantizations.map(({ path }) => path !== null)).toEqual([true, false]);
    const { length } = hub.requests;
    const offline = await json("models", "show", "mistral", "--offline");
    expect(offline.quantizations).toEqual([online.quantizations[0]]);
    expect(hub.requests.length).toBe(length);
  });

  it("tells of a file, split or not, by what is in it", async () => {
    const whole = await json("models", "show", await tinyModel());
    expect(whole).toMatchObject({
      licence: "apache-2.0",
      parameterCount: 17_564_928,
      promptFormat: expect.stringContaining("[INST]"),
    });
    const split = await json("models", "show", await splitTinyModel());
    expect(split.layerCount).toBe(2);
  });

  it("names the files where quantizations do not tell them apart", async () => {
    hub.repositories.set("owner/two-GGUF", { files: { "small.gguf": q4, "large.gguf": f16 } });
    const { stdout } = await run("models", "show", "hf:owner/two-GGUF");
    expect(stdout).toMatch(/\nsmall\.gguf +12\.8 MB +f16 /);
    expect(stdout).toMatch(/\nlarge\.gguf +35\.9 MB +f16 /);
    const { quantizations } = await json("models", "show", "hf:owner/two-GGUF");
    expect(quantizations.map(({ fileName }) => fileName)).toEqual(["small.gguf", "large.gguf"]);
  });

  it("offers what a Python package has, before it is pulled", async () => {
    const file = {
      fileName: "SmolLM2-135M-Instruct.Q4_1.gguf",
      quantization: "Q4_1",
      sizeBytes: 98_362_432,
      path: null,
    };
    const alone = await json("models", "show", "smollm2"); // the hub has no such repository here
    expect(alone.quantizations).toEqual([{ ...file, memory: [] }]);
    expect(alone.problem).toMatch(/no repository bartowski\/SmolLM2-135M-Instruct-GGUF/);
    expect((await run("models", "show", "smollm2")).stdout).toMatch(/\nQ4_1 +98\.4 MB\n/);
    hub.repositories.set("bartowski/SmolLM2-135M-Instruct-GGUF", { files: { "SmolLM2-135M-Instruct-f16.gguf": f16 } });
    const { quantizations } = await json("models", "show", "smollm2");
    expect(quantizations.map(({ quantization }) => quantization)).toEqual(["F16", "Q4_1"]);
    expect(quantizations[1]).toMatchObject({ ...file, memory: { length: 27 } });
    expect((await json("models", "show", "smollm2:F16")).quantizations).toHaveLength(1);
    expect((await run("models", "show", "smollm2:Q8_0")).stderr).toMatch(/has no Q8_0\. It has F16/);
  });

  it("tells what is known where there is no file to look into", async () => {
    await hub.close();
    const { code, stdout } = await run("models", "show", "mistral");
    expect(code).toBe(0);
    expect(stdout).toMatch(/Parameters +7\.24B\n/);
    expect(stdout).toMatch(/The hub's list is missing: Cannot reach/);
    expect((await run("models", "show", "hf:owner/other")).code).toBe(1);
  });
});

/** Pulls a part of a model, from a server that gives no more. */
async function leaveUnfinished(): Promise<void> {
  let parts = 0;
  hub.behave = ({ storage }) => (storage ? { cutAfter: parts++ === 0 ? 500_000 : 0 } : undefined);
  expect((await run("pull", "mistral")).code).toBe(1);
  hub.behave = () => undefined;
}

describe("models list, where and rm", () => {
  it("start from nothing", async () => {
    expect((await run("models", "list")).stdout).toMatch(/^There are no models on this disk\. .*--known/);
    const { stdout } = await run("models", "where");
    expect(stdout).toContain(join(sandbox.folder, "huggingface", "hub"));
    expect(stdout).toContain(join(sandbox.folder, "own", "models"));
    const { code, stderr } = await run("models", "rm", "mistral");
    expect(code).toBe(1);
    expect(stderr).toMatch(/mistral is not on this disk\. `llama-native models list` shows what is/);
    expect((await run("models", "where", "mistral")).stderr).toBe(
      "llama-native: mistral is not on this disk. Only this disk was looked at; `llama-native pull mistral` asks for it\n",
    );
  });

  it("list, find and remove what was pulled", async () => {
    const path = (await run("pull", "mistral")).stdout.trim();
    await run("pull", "mistral:f16");
    const own = join(sandbox.folder, "own", "models");
    await mkdir(own, { recursive: true });
    await copyFile(await tinyModel(), join(own, "thing.Q4_K_M.gguf"));
    const listed = await json<InstalledModel[]>("models", "list");
    expect(listed.map(({ name: model, quantization, keeper }) => [model, quantization, keeper])).toEqual([
      [join(own, "thing.Q4_K_M.gguf"), "Q4_K_M", "llama-native"],
      [`hf:${name}:Q4_K_M`, "Q4_K_M", "hub"],
      [`hf:${name}:F16`, "F16", "hub"],
    ].sort(([a = ""], [b = ""]) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))); // prettier-ignore
    expect((await run("models", "list")).stdout).toMatch(
      /hf:TheBloke\/\S+:Q4_K_M +Q4_K_M +12\.8 MB +\d{4}-\d\d-\d\d +hub/,
    );
    expect((await run("models", "where", "mistral")).stdout.trim()).toBe(path);
    expect((await run("models", "where", listed.find((model) => model.quantization === "F16")!.name)).code).toBe(0);

    const unclear = await run("models", "rm", "mistral");
    expect(unclear.code).toBe(1);
    expect(unclear.stderr).toContain(`choose one, or remove them with --all: hf:${name}:F16, hf:${name}:Q4_K_M`);
    const every = await json<Removal>("models", "rm", "mistral", "--all", "--dry-run");
    expect(every.freedBytes).toBeGreaterThan(q4.length);

    const dry = await json<Removal>("models", "rm", "mistral:q4_k_m", "--dry-run");
    expect(dry.freedBytes).toBe(q4.length);
    expect((await stat(path)).size).toBe(q4.length);
    expect(await json<Removal>("models", "rm", "mistral:q4_k_m")).toEqual(dry);
    await expect(stat(path)).rejects.toThrow("ENOENT");
    expect((await json<InstalledModel[]>("models", "list")).map(({ quantization }) => quantization).sort()).toEqual([
      "F16",
      "Q4_K_M",
    ]);
    await run("models", "rm", "mistral");
    await run("models", "rm", join(own, "thing.Q4_K_M.gguf"));
    expect(await json<InstalledModel[]>("models", "list")).toEqual([]);
  });

  it("remove unfinished downloads with the rest", async () => {
    await leaveUnfinished();
    const blobs = join(sandbox.folder, "huggingface", "hub", `models--${name.replace("/", "--")}`, "blobs");
    expect(await readdir(blobs)).toHaveLength(2);
    const { code, stdout } = await run("models", "rm", "mistral");
    expect(code).toBe(0);
    expect(stdout).toMatch(/Removed .*\.incomplete\n/);
    await expect(readdir(blobs)).rejects.toThrow("ENOENT");
  });

  it("keep what another revision of the repository has too", async () => {
    const folder = join(sandbox.folder, "huggingface", "hub", "models--owner--name");
    const blob = join(folder, "blobs", "a".repeat(64));
    await mkdir(join(folder, "blobs"), { recursive: true });
    await mkdir(join(folder, "refs"), { recursive: true });
    await writeFile(blob, q4);
    for (const [ref, commit] of [
      ["main", "1".repeat(40)],
      ["v1", "2".repeat(40)],
    ] as const) {
      await writeFile(join(folder, "refs", ref), commit);
      await mkdir(join(folder, "snapshots", commit), { recursive: true });
      await symlink(blob, join(folder, "snapshots", commit, "thing.Q4_K_M.gguf"));
    }
    const removed = await json<Removal>("models", "rm", "hf:owner/name@v1");
    expect(removed.freedBytes).toBe(0);
    expect((await stat(blob)).size).toBe(q4.length);
    expect((await run("models", "where", "hf:owner/name")).code).toBe(0);
    expect(await readdir(join(folder, "refs"))).toEqual(["main"]);
    expect((await json<Removal>("models", "rm", "hf:owner/name")).freedBytes).toBe(q4.length);
    await expect(stat(blob)).rejects.toThrow("ENOENT");
  });

  it("remove nothing that is just being downloaded", async () => {
    await leaveUnfinished();
    const cache = join(sandbox.folder, "huggingface", "hub");
    const blobs = join(cache, `models--${name.replace("/", "--")}`, "blobs");
    const [etag = ""] = (await readdir(blobs))[0]?.split(".") ?? [];
    const { code, stderr } = await withLock(blobLock(cache, name, etag), () => run("models", "rm", "mistral"), {});
    expect(code).toBe(1);
    expect(stderr).toMatch(/mistral is just being downloaded; stop that first/);
    expect(await readdir(blobs)).toHaveLength(2);
  });

  it("take no other folder for a name that the hub does not allow", async () => {
    const { code, stderr } = await run("models", "rm", "hf:own--er/name");
    expect(code).toBe(1);
    expect(stderr).toContain('has "--" in its owner or name, which the hub allows no repository');
  });

  it("leave to Ollama and to users what is theirs", async () => {
    expect((await run("models", "rm", "ollama:mistral")).stderr).toMatch(
      /belongs to Ollama: `ollama rm mistral` removes it/,
    );
    const path = join(sandbox.folder, "mine.gguf");
    await copyFile(await tinyModel(), path);
    const { code, stderr } = await run("models", "rm", path);
    expect(code).toBe(1);
    expect(stderr).toContain(
      `${path} is in none of the folders that \`llama-native models where\` lists: remove it yourself`,
    );
    expect((await stat(path)).isFile()).toBe(true);
  });

  it("understand the beginning of a quantization, as pull does", async () => {
    await run("pull", "mistral");
    await run("pull", "mistral:f16");
    const { paths } = await json<Removal>("models", "rm", "mistral:Q4", "--dry-run");
    expect(paths.filter((path) => path.endsWith(".gguf"))).toEqual([expect.stringContaining("Q4_K_M.gguf")]);
    expect(await json<Removal>("models", "rm", `hf:${name}:q4_k`, "--dry-run")).toMatchObject({ paths });
    expect((await run("models", "rm", "mistral:Q5")).stderr).toContain("mistral:Q5 is not on this disk");
  });

  it("say what a misspelt name may mean, and what of a model is here", async () => {
    for (const command of ["where", "rm"])
      expect((await run("models", command, "mistrl")).stderr).toMatch(/Did you mean mistral-7b-instruct-v0\.2\?/);
    await run("pull", "mistral");
    expect((await run("models", "where", "mistral:Q5_K_M")).stderr).toMatch(
      /^llama-native: mistral:Q5_K_M is not on this disk: \S+ has no Q5_K_M\. It has Q4_K_M\. Only this disk was looked at; /,
    );
  });

  it("list what is known", async () => {
    const { stdout } = await run("models", "list", "--known");
    expect(stdout).toMatch(/^mistral-7b-instruct-v0\.2, also mistral, /);
    expect(stdout).toContain("smollm2");
    expect(stdout).toMatch(/\n {2}Q4_K_M of TheBloke\/\S+\n {2}good at: general .*\n {2}not at: tool calls, /);
    expect((await json<KnownModel[]>("models", "list", "--known"))[0]).toMatchObject({
      name: "mistral-7b-instruct-v0.2",
      licence: "apache-2.0",
    });
  });

  it("are found in the help", async () => {
    expect((await run("models", "--help")).stdout).toMatch(/ list [^]* show [^]* rm [^]* where /);
    const { code, stderr } = await run("models", "lst");
    expect(code).toBe(2);
    expect(stderr).toContain("unknown command 'lst'");
  });
});

describe("pull", () => {
  // The stand-in for Python is a script that Windows would not start.
  it.skipIf(process.platform === "win32")("tells of a Python package in plain lines too", async () => {
    const bin = join(sandbox.folder, "bin");
    const wheel = join(sandbox.folder, "example.whl");
    await writeWheel(wheel, q4);
    await writeFakePython(bin, wheel, "works");
    const { code, stderr } = await runCommand(["pull", "smollm2"], { env: { ...sandbox.env, PATH: bin } });
    const [first, ...others] = stderr.trimEnd().split("\n");
    expect(first).toMatch(/^Downloading SmolLM2-135M-Instruct\.Q4_1\.gguf: 0 bytes of 92\.9 MB$/);
    expect(others).toEqual([expect.stringMatching(/^llama-native: Cannot unpack SmolLM2-135M-Instruct/)]);
    expect(code).toBe(1); // as the package is another one
  });

  it("says for how long it waits for a server that asks for it", async () => {
    let refusals = 2;
    hub.behave = ({ storage, path }) =>
      (storage || path.startsWith("/api/")) && refusals-- > 0
        ? { status: 429, headers: { "retry-after": "1" } }
        : undefined;
    const { code, stderr } = await run("pull", "mistral");
    expect(code).toBe(0);
    expect(stderr).toMatch(new RegExp(`^The server does not give ${name} now: trying again in 1(\\.0)? s\n`));
    expect(stderr).toMatch(/\nDownloading mistral-7b-instruct-v0\.2\.Q4_K_M\.gguf: /);
  });

  it("says so of a plain URL too, when it asks for the file and when it fetches parts of it", async () => {
    const left = new Map([
      ["bytes=0-3", 1],
      ["parts", 1],
    ]);
    hub.behave = ({ storage, range }) => {
      if (!storage) return undefined;
      const asked = range === "bytes=0-3" ? range : "parts";
      const refusals = left.get(asked) ?? 0;
      left.set(asked, refusals - 1);
      return refusals > 0 ? { status: 429, headers: { "retry-after": "1" } } : undefined;
    };
    const file = "mistral-7b-instruct-v0.2.Q4_K_M.gguf";
    const url = `${hub.plainUrl}/${name}/resolve/main/${file}`;
    const { code, stderr } = await run("pull", url);
    expect(code).toBe(0);
    const pauses = stderr.split("\n").filter((line) => line.startsWith("The server does not give"));
    const pause = expect.stringContaining(`${file} now: trying again in 1`) as string;
    expect(pauses).toEqual([pause, pause]);
  });
});

describe("a chat", () => {
  it("downloads its model on first use, and then needs no network", async () => {
    const args = ["complete", "mistral", "-p", "Hello", "--max-tokens", "3", "--temperature", "0"];
    const first = await run(...args);
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(/^Downloading mistral-7b-instruct-v0\.2\.Q4_K_M\.gguf: /);
    await hub.close();
    expect(await run(...args)).toEqual({ code: 0, stdout: first.stdout, stderr: "" });
    expect((await run("complete", "mistral:f16", "-p", "Hello", "--offline")).stderr).toMatch(
      /no F16\. It has Q4_K_M/i,
    );
  });

  it("takes its model from Ollama", async () => {
    await pulledByOllama(join(sandbox.folder, "ollama"), "library/tiny/latest", q4);
    const { code, stdout } = await run("complete", "ollama:tiny", "-p", "Hello", "--max-tokens", "3");
    expect(code).toBe(0);
    expect(stdout).not.toBe("");
    const [listed] = await json<InstalledModel[]>("models", "list");
    expect(listed).toMatchObject({ name: "ollama:tiny:latest", keeper: "ollama", sizeBytes: q4.length });
  });
});
