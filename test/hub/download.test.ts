import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { lstat, mkdir, readdir, readFile, readlink, truncate, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { blobLock } from "../../src/hub/hub-cache.js";
import { resolveModel } from "../../src/hub/index.js";
import { installedModels, removeInstalled } from "../../src/hub/installed.js";
import { withLock } from "../../src/hub/lock.js";
import { partialPath } from "../../src/hub/partial-file.js";
import { proxies } from "../../src/hub/proxies.js";
import type { DownloadProgress } from "../../src/progress.js";
import { testCertificate, testKey } from "../support/hub/certificate.js";
import type { HubServer, Request } from "../support/hub/hub-server.js";
import { commitOf, gitHash, sha256, startHub } from "../support/hub/hub-server.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox, setVariables } from "../support/hub/sandbox.js";

const mebibyte = 1 << 20;
const content = Buffer.concat([Buffer.from("GGUF"), randomBytes(5 * mebibyte + 119)]);
const small = Buffer.concat([Buffer.from("GGUF"), randomBytes(1000)]);
const name = "owner/model-GGUF";

let hub: HubServer;
let sandbox: Sandbox;
let repository: string;

beforeEach(async () => {
  hub = await startHub({
    [name]: {
      files: {
        "README.md": Buffer.from("#"),
        "model.Q4_K_M.gguf": content,
        "a/tiny.F16.gguf": small,
        "x.bin": small,
        "y.bin": small,
      },
    },
  });
  sandbox = await enterSandbox(hub.url);
  repository = join(sandbox.folder, "huggingface", "hub", "models--owner--model-GGUF");
});

afterEach(async () => {
  await hub.close();
  await sandbox.leave();
});

const blobs = (): Promise<string[]> => readdir(join(repository, "blobs"));
const isContent = ({ path, method }: Request): boolean => method === "GET" && !path.startsWith("/api/");
const fromStorage = ({ storage }: Request): boolean => storage;

describe("a model of the hub", () => {
  it("is downloaded into the hub's own cache", async () => {
    const path = await resolveModel(`hf:${name}`);
    const commit = commitOf(hub.repositories.get(name)!);
    expect(path).toBe(join(repository, "snapshots", commit, "model.Q4_K_M.gguf"));
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(await readlink(path)).toBe(join("..", "..", "blobs", sha256(content)));
    expect(await blobs()).toEqual([sha256(content)]);
    expect(await readFile(join(repository, "refs", "main"), "utf8")).toBe(commit);
  });

  it("comes in parts, several at once, each byte once", async () => {
    await resolveModel(`hf:${name}`);
    const ranges = hub.requests.filter(fromStorage).map(({ range }) => range);
    expect(ranges.length).toBe(6);
    expect(new Set(ranges).size).toBe(6);
    expect(hub.sentBytes()).toBe(content.length);
    // The address of the storage is used again without the hub's redirect.
    expect(hub.requests.filter((request) => isContent(request) && !request.storage).length).toBeLessThanOrEqual(2);
  });

  it("is then found without asking anybody", async () => {
    const path = await resolveModel(`hf:${name}`);
    const { length } = hub.requests;
    expect(await resolveModel(`hf:${name}`)).toBe(path);
    expect(await resolveModel(`hf:${name}:q4_k_m`)).toBe(path);
    expect(await resolveModel(`hf:${name}/model.Q4_K_M.gguf`)).toBe(path);
    expect(await resolveModel(`hf:${name}`, { offline: true })).toBe(path);
    expect(hub.requests.length).toBe(length);
  });

  it("of any quantization is found without asking anybody, where it is the only one here", async () => {
    const path = await resolveModel(`hf:${name}:F16`);
    const { length } = hub.requests;
    expect(await resolveModel(`hf:${name}`)).toBe(path);
    expect(await resolveModel(`hf:${name}:F16`)).toBe(path);
    expect(hub.requests.length).toBe(length);
    await expect(resolveModel(`hf:${name}:Q8_0`)).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
    expect(hub.requests.length).toBeGreaterThan(length);
  });

  it("is of the revision that is named, whatever else is here", async () => {
    const entry = hub.repositories.get(name)!;
    entry.refs = ["v1.0"];
    entry.commit = "1".repeat(40);
    await resolveModel(`hf:${name}`);
    const other = Buffer.concat([Buffer.from("GGUF"), randomBytes(1000)]);
    entry.commit = "2".repeat(40);
    entry.files["model.Q4_K_M.gguf"] = other;
    const tagged = await resolveModel(`hf:${name}@v1.0`);
    expect((await readFile(tagged)).equals(other)).toBe(true);
    const { length } = hub.requests;
    expect(await resolveModel(`hf:${name}@v1.0`)).toBe(tagged);
    expect((await readFile(await resolveModel(`hf:${name}`))).equals(content)).toBe(true);
    expect(hub.requests.length).toBe(length);
    expect((await installedModels()).map((model) => model.name).sort()).toEqual([
      `hf:${name}:Q4_K_M`,
      `hf:${name}@v1.0:Q4_K_M`,
    ]);
    await expect(resolveModel(`hf:${name}@v2.0`, { offline: true })).rejects.toMatchObject({ code: "DOWNLOAD" });
    await removeInstalled(`hf:${name}@v1.0`, { dryRun: false });
    expect((await installedModels()).map((model) => model.name)).toEqual([`hf:${name}:Q4_K_M`]);
  });

  it("is small enough to be kept by git, in a folder", async () => {
    const path = await resolveModel(`hf:${name}/a/tiny.F16.gguf`);
    expect((await readFile(path)).equals(small)).toBe(true);
    expect(await readlink(path)).toBe(join("..", "..", "..", "blobs", gitHash(small)));
  });

  it("is split", async () => {
    const parts = [randomBytes(2 * mebibyte), randomBytes(3 * mebibyte), randomBytes(100_000)];
    const files = Object.fromEntries(parts.map((part, index) => [`m-Q8_0-0000${index + 1}-of-00003.gguf`, part]));
    hub.repositories.set("owner/split-GGUF", { files });
    const path = await resolveModel("hf:owner/split-GGUF");
    for (const [index, part] of parts.entries()) {
      expect((await readFile(path.replace("-00001-", `-0000${index + 1}-`))).equals(part)).toBe(true);
    }
  });

  it("is taken from its snapshot anew when the branch moves, and only what changed is downloaded", async () => {
    const first = await resolveModel(`hf:${name}`);
    hub.repositories.get(name)!.files["README.md"] = Buffer.from("# more");
    const sent = hub.sentBytes();
    const second = await resolveModel(`hf:${name}`, { refresh: true });
    expect(second).not.toBe(first);
    expect((await readFile(second)).equals(content)).toBe(true);
    expect(hub.sentBytes()).toBe(sent);
  });

  it("of a commit stays what it was", async () => {
    const commit = commitOf(hub.repositories.get(name)!);
    hub.repositories.get(name)!.commit = commit;
    const path = await resolveModel(`hf:${name}@${commit}`);
    expect(path).toContain(commit);
    expect(await readdir(repository)).not.toContain("refs");
    expect(await resolveModel(`hf:${name}@${commit}`, { offline: true })).toBe(path);
  });

  it("tells its progress, with a rate and the time left", async () => {
    hub.behave = (request) => (request.storage ? { rate: 2 * mebibyte } : undefined);
    const fractions: number[] = [];
    const news: (DownloadProgress & { at: number })[] = [];
    await resolveModel(`hf:${name}`, {
      onProgress: (fraction) => fractions.push(fraction),
      onDownload: (progress) => news.push({ ...progress, at: performance.now() }),
    });
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
    expect(new Set(news.map(({ phase }) => phase))).toEqual(new Set(["downloading", "verifying"]));
    const middle = news.find(({ secondsLeft, bytes }) => secondsLeft !== null && bytes > mebibyte)!;
    expect(middle).toMatchObject({ file: "model.Q4_K_M.gguf", totalBytes: content.length });
    // On a busy machine the server's pace is not kept; what is told is how fast it was.
    const [first] = news;
    const pace = ((middle.bytes - first!.bytes) * 1000) / (middle.at - first!.at);
    expect(middle.bytesPerSecond! / pace).toBeGreaterThan(0.9);
    expect(middle.bytesPerSecond! / pace).toBeLessThan(1.1);
    expect(middle.secondsLeft).toBeCloseTo((content.length - middle.bytes) / middle.bytesPerSecond!, 6);
  });
});

describe("a download that is disturbed", () => {
  it.each([429, 500, 503])("goes on after a passing %i", async (status) => {
    let failures = 2;
    hub.behave = (request) =>
      isContent(request) && failures-- > 0 ? { status, headers: { "retry-after": "0" } } : undefined;
    expect((await readFile(await resolveModel(`hf:${name}`))).equals(content)).toBe(true);
  });

  it("goes on when connections are cut, without fetching a byte twice", async () => {
    let cuts = 8;
    hub.behave = (request) => (request.storage && cuts-- > 0 ? { cutAfter: 200_000 + cuts * 50_000 } : undefined);
    expect((await readFile(await resolveModel(`hf:${name}`))).equals(content)).toBe(true);
    // What was on its way when a connection was cut may come again.
    expect(hub.sentBytes()).toBeLessThan(content.length + 8 * 300_000);
  });

  it("goes on when a connection says nothing any more", async () => {
    // The agent that knows this variable's value is made once in a process.
    setVariables({ HF_HUB_DOWNLOAD_TIMEOUT: "1" });
    let stalls = 1;
    hub.behave = (request) => (request.storage && stalls-- > 0 ? { stallAfter: 300_000 } : undefined);
    const { resolveModel: fresh } = await freshHub();
    expect((await readFile(await fresh(`hf:${name}`))).equals(content)).toBe(true);
  });

  it("asks the hub anew when the storage's address has expired", async () => {
    let served = 0;
    hub.behave = (request) => (request.storage && ++served === 3 ? { status: 403 } : undefined);
    expect((await readFile(await resolveModel(`hf:${name}`))).equals(content)).toBe(true);
  });

  it("asks the hub anew when the storage's address has expired for several parts at once", async () => {
    let served = 0;
    hub.behave = (request) => {
      if (!request.storage) return undefined;
      // The first part shows that there are ranges, and takes until the others have been refused together.
      return ++served === 1 ? { rate: 4 * mebibyte } : served <= 4 ? { status: 403 } : undefined;
    };
    expect((await readFile(await resolveModel(`hf:${name}`))).equals(content)).toBe(true);
    expect(served).toBe(9); // six parts, and three of them again
  });

  it("takes everything in order from a server without ranges, also when that is cut", async () => {
    let cuts = 1;
    hub.behave = (request) =>
      isContent(request)
        ? { noRanges: true, ...(cuts-- > 0 && request.storage ? { cutAfter: mebibyte } : {}) }
        : undefined;
    expect((await readFile(await resolveModel(`hf:${name}`))).equals(content)).toBe(true);
  });

  it.each([
    ["sends everything at first, and ranges from then on", (answered: number) => answered === 1],
    ["sends ranges at first, and everything from then on", (answered: number) => answered > 1],
    ["sends everything now and then", (answered: number) => answered % 2 === 0],
  ])("ends with every byte in its place where a server %s", async (_, isWhole) => {
    let answered = 0;
    hub.behave = (request) => {
      if (!isContent(request) || !request.storage) return undefined;
      answered++;
      return { noRanges: isWhole(answered), ...(answered <= 3 ? { cutAfter: mebibyte / 2 + answered * 1000 } : {}) };
    };
    const path = await resolveModel(`hf:${name}`);
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(answered).toBeGreaterThan(3);
  });

  it("keeps what it has when cancelled, and goes on from there", async () => {
    hub.behave = (request) => (request.storage ? { rate: 2 * mebibyte } : undefined);
    const controller = new AbortController();
    const reason = new Error("enough");
    const onDownload = ({ bytes }: DownloadProgress): void => {
      if (bytes > 2.5 * mebibyte) controller.abort(reason);
    };
    await expect(resolveModel(`hf:${name}`, { signal: controller.signal, onDownload })).rejects.toBe(reason);
    expect(await blobs()).toEqual([
      `${sha256(content)}.llama-native.incomplete`,
      `${sha256(content)}.llama-native.incomplete.json`,
    ]);
    const before = hub.sentBytes();
    hub.behave = () => undefined;
    expect((await readFile(await resolveModel(`hf:${name}`))).equals(content)).toBe(true);
    expect(hub.sentBytes() - before).toBeLessThan(content.length - 2.5 * mebibyte + mebibyte / 2);
    expect(await blobs()).toEqual([sha256(content)]);
  });

  it("ends with what the callback throws, and can go on later", async () => {
    const failure = new Error("from the callback");
    const onDownload = (): void => {
      throw failure;
    };
    await expect(resolveModel(`hf:${name}`, { onDownload })).rejects.toBe(failure);
    expect((await readFile(await resolveModel(`hf:${name}`))).equals(content)).toBe(true);
  });

  it("ends at once with what the callback throws amid it", async () => {
    hub.behave = (request) => (request.storage ? { rate: 2 * mebibyte } : undefined);
    const failure = new Error("from the callback");
    const onDownload = ({ bytes }: DownloadProgress): void => {
      if (bytes > 2 * mebibyte) throw failure;
    };
    await expect(resolveModel(`hf:${name}`, { onDownload })).rejects.toBe(failure);
    expect(hub.sentBytes()).toBeLessThan(content.length - mebibyte);
  });

  it("ends with what the callback throws while another call downloads it", async () => {
    const lock = blobLock(join(sandbox.folder, "huggingface", "hub"), name, sha256(content));
    const failure = new Error("from the callback");
    const onDownload = (): void => {
      throw failure;
    };
    await withLock(lock, () => expect(resolveModel(`hf:${name}`, { onDownload })).rejects.toBe(failure), {});
  });

  it("ends well where another process, which took it for dead, has brought it to its end", async () => {
    hub.behave = (request) => (request.storage ? { rate: 2 * mebibyte } : undefined);
    const target = join(repository, "blobs", sha256(content));
    const onDownload = ({ bytes }: DownloadProgress): void => {
      if (bytes < 2 * mebibyte || existsSync(target)) return;
      writeFileSync(target, content);
      rmSync(partialPath(target));
    };
    expect((await readFile(await resolveModel(`hf:${name}`, { onDownload }))).equals(content)).toBe(true);
    expect(await blobs()).toEqual([sha256(content)]);
  });

  it("says so where another process, which took it for dead, has taken its file and not ended it", async () => {
    hub.behave = (request) => (request.storage ? { rate: 2 * mebibyte } : undefined);
    const target = join(repository, "blobs", sha256(content));
    const onDownload = ({ bytes }: DownloadProgress): void => {
      if (bytes > 2 * mebibyte) rmSync(partialPath(target), { force: true });
    };
    await expect(resolveModel(`hf:${name}`, { onDownload })).rejects.toMatchObject({
      code: "DOWNLOAD",
      message: expect.stringMatching(/^Another process took over the download of model\.Q4_K_M\.gguf .* Try again\.$/),
    });
    hub.behave = () => undefined;
    expect((await readFile(await resolveModel(`hf:${name}`))).equals(content)).toBe(true);
  });

  it.each(["nonsense", "[]", "{}", '{"key":1}'])("starts anew where the record is %s", async (record) => {
    await mkdir(join(repository, "blobs"), { recursive: true });
    const partial = join(repository, "blobs", `${sha256(content)}.llama-native.incomplete`);
    await writeFile(partial, "");
    await truncate(partial, content.length);
    await writeFile(`${partial}.json`, record);
    expect((await readFile(await resolveModel(`hf:${name}`))).equals(content)).toBe(true);
  });

  it("repairs what an earlier process left damaged", async () => {
    await mkdir(join(repository, "blobs"), { recursive: true });
    const partial = join(repository, "blobs", `${sha256(content)}.llama-native.incomplete`);
    await writeFile(partial, Buffer.alloc(content.length));
    const done = [mebibyte, mebibyte, 5, 0, 0, 0];
    await writeFile(
      `${partial}.json`,
      JSON.stringify({ key: sha256(content), sizeBytes: content.length, chunkBytes: mebibyte, done }),
    );
    expect((await readFile(await resolveModel(`hf:${name}`))).equals(content)).toBe(true);
  });
});

describe("an error says what to do", () => {
  const rejects = (source: string, code: string, message: RegExp): Promise<void> =>
    expect(resolveModel(source)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });

  it("about a gated repository", async () => {
    hub.repositories.get(name)!.gated = true;
    await rejects(
      `hf:${name}`,
      "DOWNLOAD",
      /is gated: accept its terms at http:\S+\/owner\/model-GGUF, then set HF_TOKEN to a token from \S+\/settings\/tokens$/,
    );
    expect(await blobs()).toEqual([]); // and nothing of it stays
    hub.tokens.set("hf_valid", false);
    setVariables({ HF_TOKEN: "hf_valid" });
    await rejects(
      `hf:${name}`,
      "DOWNLOAD",
      /is gated, and your account has no access yet: ask for it at http:\S+\/owner\/model-GGUF$/,
    );
    hub.tokens.set("hf_valid", true);
    expect((await readFile(await resolveModel(`hf:${name}`))).equals(content)).toBe(true);
    // The token is the hub's business alone.
    expect(hub.requests.filter(fromStorage).map(({ authorization }) => authorization)).not.toContain("Bearer hf_valid");
  });

  it("about a token, which may also be in the file that logging in leaves", async () => {
    await mkdir(join(sandbox.folder, "huggingface"), { recursive: true });
    await writeFile(join(sandbox.folder, "huggingface", "token"), "hf_wrong\n");
    await rejects(
      `hf:${name}`,
      "DOWNLOAD",
      /does not accept the token in \S+\/huggingface\/token: make a new one at \S+\/settings\/tokens, and log in with it \(`hf auth login`\)$/,
    );
    setVariables({ HF_TOKEN: "hf_other" });
    await rejects(
      `hf:${name}`,
      "DOWNLOAD",
      /does not accept the token in HF_TOKEN: make a new one at \S+\/settings\/tokens$/,
    );
  });

  it("about a private repository", async () => {
    hub.repositories.get(name)!.private = true;
    await rejects(
      `hf:${name}`,
      "MODEL_NOT_FOUND",
      /no repository owner\/model-GGUF\. .*A private one needs a token in HF_TOKEN/,
    );
  });

  it("about a repository that is not there, with near names", async () => {
    await rejects(
      "hf:owner/model-GGUFF",
      "MODEL_NOT_FOUND",
      /^The hub has no repository owner\/model-GGUFF\. Did you mean .*hf:owner\/model-GGUF/,
    );
    await rejects(
      "hf:TheBloke/Mistral-7B-Instruct-v0.2-GUF",
      "MODEL_NOT_FOUND",
      /Did you mean hf:TheBloke\/Mistral-7B-Instruct-v0\.2-GGUF/,
    );
  });

  it.each([
    ["title's end", "owner/Falcon-7B-Chat-GUF"],
    ["title's beginning", "owner/Falcn-7B-Chat-GGUF"],
    ["owner", "ownr/Falcon-7B-Chat-GGUF"],
    ["owner and the title's beginning", "ownr/Falcn-7B-Chat-GGUF"],
    ["owner and the title's end", "ownr/Falcon-7B-Chat-GGFU"],
    ["owner, who is another one", "somebody-with-a-long-name/Falcon-7B-Chat-GGUF"],
  ])("about a mistake in the %s, by the one name that is meant", async (_, wrong) => {
    hub.repositories.set("owner/Falcon-7B-Chat-GGUF", { files: { "falcon.Q4_K_M.gguf": small } });
    hub.repositories.set("owner/Falcon-7B-Chat", { files: { "model.safetensors": small } });
    hub.repositories.set("owner/unlike-GGUF", { files: { "unlike.Q4_K_M.gguf": small } });
    await rejects(`hf:${wrong}`, "MODEL_NOT_FOUND", /Did you mean hf:owner\/Falcon-7B-Chat-GGUF\?/);
  });

  it("about a name that resembles none, and never suggests itself", async () => {
    await rejects(
      "hf:nobody/zzzzzzzzzzzz",
      "MODEL_NOT_FOUND",
      /^The hub has no repository nobody\/zzzzzzzzzzzz\. Check its/,
    );
    const known = "TheBloke/Mistral-7B-Instruct-v0.1-GGUF";
    const failure: unknown = await resolveModel(`hf:${known}`).catch((error: unknown) => error);
    expect((failure as Error).message).toContain("Did you mean hf:TheBloke/Mistral-7B-Instruct-v0.2-GGUF");
    expect((failure as Error).message).not.toContain(`hf:${known}`);
  });

  it("about a 403, by whether there is a token", async () => {
    hub.behave = ({ path }) => (path.startsWith("/api/") ? { status: 403 } : undefined);
    await rejects(
      `hf:${name}`,
      "DOWNLOAD",
      /^The hub does not give owner\/model-GGUF without a token \(403\), as it is gated or private: set HF_TOKEN to a token from \S+\/settings\/tokens, and where \S+\/owner\/model-GGUF has terms, accept/,
    );
    hub.tokens.set("hf_valid", true);
    setVariables({ HF_TOKEN: "hf_valid" });
    await rejects(
      `hf:${name}`,
      "DOWNLOAD",
      /^Your token may not read owner\/model-GGUF: give it that right at \S+\/settings\/tokens/,
    );
  });

  it.each([403, 404])("about a %i of the host that the hub redirects to, whatever the token", async (status) => {
    hub.behave = (request) => (request.storage ? { status } : undefined);
    hub.tokens.set("hf_valid", true);
    for (const token of [undefined, "hf_valid"]) {
      setVariables({ HF_TOKEN: token });
      await rejects(
        `hf:${name}`,
        "DOWNLOAD",
        new RegExp(
          `^127\\.0\\.0\\.1:\\d+, where the hub keeps files of owner/model-GGUF, refuses them \\(${status}\\)\\. A firewall`,
        ),
      );
    }
  });

  it.each([
    [416, /\(416\)\. Try again; where that does not help, `llama-native models rm hf:owner\/model-GGUF` removes/],
    [451, /^The hub refuses owner\/model-GGUF \(451\)\. http\S+\/owner\/model-GGUF may say why/],
  ])("about a %i", async (status, message) => {
    hub.behave = (request) => (isContent(request) ? { status } : undefined);
    await rejects(`hf:${name}`, "DOWNLOAD", message);
  });

  it.each([
    [403, /localhost:\d+ refuses x\.gguf \(403\)\. No login is sent .*give the path of the file$/],
    [416, /refuses x\.gguf \(416\)\. Try again; where that does not help, `llama-native models rm` with this URL/],
    [418, /refuses x\.gguf \(418\)\. Check the URL in a browser$/],
  ])("about a %i of any other server", async (status, message) => {
    hub.behave = () => ({ status });
    await rejects(`${hub.plainUrl}/x.gguf`, "DOWNLOAD", message);
  });

  it.each(["hf-mirror.com", "localhost:8080", "ftp://mirror"])("about HF_ENDPOINT=%s", async (endpoint) => {
    setVariables({ HF_ENDPOINT: endpoint });
    await rejects(
      `hf:${name}`,
      "INVALID_OPTION",
      /^Expected a URL such as https:\/\/\S+ for HF_ENDPOINT but received "/,
    );
    expect(await installedModels()).toEqual([]);
  });

  it("about names and passwords in addresses, which it does not tell", async () => {
    const hidden = async (source: string): Promise<void> => {
      const error = (await resolveModel(source).catch((caught: unknown) => caught)) as Error;
      expect(error).toMatchObject({ code: "INVALID_OPTION" });
      expect(JSON.stringify([error, error.message])).not.toMatch(/user|secret/);
    };
    await hidden(`${hub.url.replace("http://127.0.0.1", "http://user:secret@localhost")}/x.gguf`);
    await hidden(`${hub.url.replace("http://", "http://user@")}/owner/model-GGUF`);
    setVariables({ HF_ENDPOINT: hub.url.replace("http://", "http://user:secret@") });
    await hidden(`hf:${name}`);
    expect(hub.requests).toEqual([]);
  });

  it("about a revision and a file that are not there", async () => {
    await rejects(`hf:${name}@dev`, "MODEL_NOT_FOUND", /^owner\/model-GGUF has no branch, tag or commit "dev"$/);
    await rejects(
      `hf:${name}/modl.Q4_K_M.gguf`,
      "MODEL_NOT_FOUND",
      /no file modl\.Q4_K_M\.gguf\. Did you mean model\.Q4_K_M\.gguf\?$/,
    );
    await rejects(`hf:${name}:Q5_K_M`, "MODEL_NOT_FOUND", /^owner\/model-GGUF has no Q5_K_M\. It has F16, Q4_K_M$/);
  });

  it("about too many requests, at once where the pause would be long", async () => {
    hub.behave = () => ({ status: 429, headers: { "retry-after": "300" } });
    await rejects(
      `hf:${name}`,
      "DOWNLOAD",
      /too many requests from here \(429\)\. Try again in 300 s; with a token in HF_TOKEN it allows more$/,
    );
  });

  it("about a hub in trouble", async () => {
    hub.behave = () => ({ status: 503 });
    await rejects(
      `hf:${name}`,
      "DOWNLOAD",
      /trouble of its own \(503\)\. Try again later; what was downloaded is kept$/,
    );
  }, 20_000);

  it("about a hub that is not there, and takes what is in the cache", async () => {
    await hub.close();
    await rejects(
      `hf:${name}`,
      "DOWNLOAD",
      /^Cannot reach 127\.0\.0\.1:\d+: .*ECONNREFUSED.*Check the network connection/,
    );
    hub = await startHub(Object.fromEntries(hub.repositories));
    setVariables({ HF_ENDPOINT: hub.url });
    const path = await resolveModel(`hf:${name}`);
    await hub.close();
    expect(await resolveModel(`hf:${name}`, { refresh: true })).toBe(path);
  });

  it("about being offline", async () => {
    setVariables({ HF_HUB_OFFLINE: "1" });
    await rejects(
      `hf:${name}`,
      "DOWNLOAD",
      /^hf:owner\/model-GGUF is not in the cache, and nothing is downloaded as it is offline$/,
    );
    await rejects(
      "https://example.com/x.gguf",
      "DOWNLOAD",
      /is not in the cache, and nothing is downloaded as it is offline$/,
    );
    await rejects("smollm2", "DOWNLOAD", /is not in the cache, and nothing is downloaded as it is offline$/);
    expect(hub.requests).toEqual([]);
    setVariables({ HF_HUB_OFFLINE: undefined });
    await resolveModel(`hf:${name}`);
    await expect(resolveModel(`hf:${name}:F16`, { offline: true })).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: expect.stringMatching(
        /^The cache alone was looked at, as nothing .*: owner\/model-GGUF has no F16\. It has Q4_K_M$/,
      ),
    });
  });

  it("about content that is not what it should be, and keeps none of it", async () => {
    hub.behave = (request) => (request.storage ? { corrupt: true } : undefined);
    await rejects(
      `hf:${name}`,
      "DOWNLOAD",
      /is not the file it should be: its SHA-256 is not [0-9a-f]{64}\. It was removed\. Try again/,
    );
    expect(await blobs()).toEqual([]);
  });

  it("about a file that would not fit on the disk, before the first byte", async () => {
    // A listing that promises a petabyte.
    hub.repositories.set("owner/huge-GGUF", { files: { "m.gguf": Object.assign(Buffer.from(content), {}) } });
    const huge = await startProxyOfListing(hub, 1e15);
    setVariables({ HF_ENDPOINT: huge.url });
    await rejects(
      "hf:owner/huge-GGUF",
      "DOWNLOAD",
      /no room on the disk of .*1000000\.00 GB are needed and [\d.]+ GB are free\. Make room, or let HF_HOME name/,
    );
    huge.close();
    expect(hub.requests.filter(isContent)).toEqual([]);
  });

  it("about a cache that cannot be written", async () => {
    await writeFile(join(sandbox.folder, "file"), "");
    setVariables({ HF_HOME: join(sandbox.folder, "file") });
    await rejects(`hf:${name}`, "DOWNLOAD", /^Cannot write to the cache folder .*; HF_HOME can name another one$/);
  });

  it("about a connection that breaks off again and again", async () => {
    hub.behave = (request) => (request.storage ? { cutAfter: 0 } : undefined);
    await rejects(`hf:${name}`, "DOWNLOAD", /breaks off again and again|Cannot reach/);
  }, 40_000);
});

function range(response: ServerResponse, contentRange: string): void {
  response.writeHead(206, { "content-range": contentRange, "content-length": "4" }).end("GGUF");
}

describe("a URL", () => {
  const url = (): string => `${hub.plainUrl}/${name}/resolve/main/model.Q4_K_M.gguf`;

  it("is downloaded into a folder of its own, once", async () => {
    const path = await resolveModel(url());
    expect(path.startsWith(join(sandbox.folder, "own", "models", "downloads"))).toBe(true);
    expect(path.endsWith("model.Q4_K_M.gguf")).toBe(true);
    expect((await readFile(path)).equals(content)).toBe(true);
    const { length } = hub.requests;
    expect(await resolveModel(url())).toBe(path);
    expect(hub.requests.length).toBe(length);
  });

  it("of another query is another file, but for its signature", async () => {
    const one = await resolveModel(`${url()}?version=1`);
    const other = await resolveModel(`${url()}?version=2`);
    expect(new Set([one, other, await resolveModel(url())]).size).toBe(3);
    const { length } = hub.requests;
    expect(await resolveModel(`${url()}?version=2&X-Amz-Signature=abc&Expires=17`)).toBe(other);
    expect(hub.requests.length).toBe(length);
  });

  it("goes on with what an earlier link to the same file has brought, by a newly signed one", async () => {
    hub.behave = (request) => (request.storage ? { rate: 2 * mebibyte } : undefined);
    const controller = new AbortController();
    const onDownload = ({ bytes }: DownloadProgress): void => {
      if (bytes > 2 * mebibyte) controller.abort(new Error("enough"));
    };
    const stopped = resolveModel(`${url()}?v=1&X-Amz-Signature=a&X-Amz-Date=1`, {
      signal: controller.signal,
      onDownload,
    });
    await expect(stopped).rejects.toThrow("enough");
    hub.behave = () => undefined;
    const before = hub.sentBytes();
    const path = await resolveModel(`${url()}?v=1&X-Amz-Signature=b&X-Amz-Date=2`);
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(hub.sentBytes() - before).toBeLessThan(content.length - 1.5 * mebibyte);
  });

  it.each([
    ["letters that no name of a file keeps", "模型甲.gguf", "模型乙.gguf"],
    ["the ending that is added to it", "model", "model.gguf"],
    ["small letters for capital ones", "A.gguf", "a.gguf"],
  ])("that differs from another in %s has a file of its own", async (_, one, other) => {
    const contents = [small, Buffer.concat([small, small])] as const;
    Object.assign(hub.repositories.get(name)!.files, { [one]: contents[0], [other]: contents[1] });
    const [first, second] = [one, other].map((file) => url().replace("model.Q4_K_M.gguf", file)) as [string, string];
    const paths = [await resolveModel(first), await resolveModel(second)] as const;
    expect((await readFile(paths[0])).equals(contents[0])).toBe(true);
    expect((await readFile(paths[1])).equals(contents[1])).toBe(true);
    await removeInstalled(first, { dryRun: false });
    expect((await readFile(await resolveModel(second, { offline: true }))).equals(contents[1])).toBe(true);
  });

  it("that does not end in .gguf is kept under a name that does, and listed", async () => {
    hub.repositories.get(name)!.files["fetch"] = content;
    const path = await resolveModel(url().replace("model.Q4_K_M.gguf", "fetch"));
    expect(path.endsWith("fetch.gguf")).toBe(true);
    expect((await installedModels()).map((model) => model.path)).toContain(path);
  });

  it("whose content changes on the way is begun anew", async () => {
    const changed = Buffer.from(content);
    changed.fill(7, mebibyte);
    let parts = 0;
    hub.behave = (request) => {
      if (!request.storage || request.range === "bytes=0-3") return undefined;
      if (++parts === 1) return { cutAfter: mebibyte / 2 };
      hub.repositories.get(name)!.files["model.Q4_K_M.gguf"] = changed;
      return undefined;
    };
    const path = await resolveModel(url(), { connections: 1 });
    expect((await readFile(path)).equals(changed)).toBe(true);
  });

  it("whose content changes at the same address is begun anew too", async () => {
    const changed = Buffer.from(small);
    changed.fill(7, 500);
    const { files } = hub.repositories.get(name)!;
    let parts = 0;
    hub.behave = ({ path, range }) => {
      if (!path.endsWith("tiny.F16.gguf") || range === "bytes=0-3") return undefined;
      if (++parts === 1) return { cutAfter: 300 };
      files["a/tiny.F16.gguf"] = changed;
      return undefined;
    };
    const path = await resolveModel(url().replace("model.Q4_K_M.gguf", "a/tiny.F16.gguf"));
    expect((await readFile(path)).equals(changed)).toBe(true);
    expect(hub.requests.map(({ ifRange }) => ifRange)).toContain(`"${gitHash(small)}"`);
  });

  it("that is answered with a page is refused", async () => {
    const server = createServer((_, response) => response.end("<html>Log in first</html>")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await expect(resolveModel(`http://127.0.0.1:${port}/model.gguf`)).rejects.toMatchObject({
      code: "DOWNLOAD",
      message: expect.stringContaining('begin with GGUF but received "<htm"') as string,
    });
    server.close();
  });

  it.each<[what: string, answer: (response: ServerResponse) => void, message: RegExp]>([
    [
      "nothing",
      (response) => response.writeHead(200, { "content-length": "0" }).end(),
      /begin with GGUF but received ""$/,
    ],
    ["no size", (response) => response.writeHead(200).write("GGUF...."), /does not tell the size of a b\.gguf$/],
    ["a size of 0", (response) => range(response, "bytes 0-3/0"), /does not tell the size of a b\.gguf$/],
    ["a size that is none", (response) => range(response, "bytes 0-3/*"), /does not tell the size of a b\.gguf$/],
    ["a refusal", (response) => response.writeHead(405).end(), /refuses a b\.gguf \(405\)\. Check the URL/],
    ["a circle", (response) => response.writeHead(302, { location: "/a%20b.gguf" }).end(), /redirect count exceeded/],
    [
      "an error's text",
      (response) => response.writeHead(500, { "retry-after": "0" }).end("oh"),
      /\(500\)\. Try again later/,
    ],
  ])(
    "that is answered with %s is refused",
    async (_what, answer, message) => {
      const server = createServer((_, response) => answer(response)).listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      try {
        await expect(resolveModel(`http://127.0.0.1:${port}/a%20b.gguf`)).rejects.toMatchObject({
          code: "DOWNLOAD",
          message: expect.stringMatching(message) as string,
        });
      } finally {
        server.closeAllConnections();
        server.close();
      }
    },
    30_000,
  );

  it("is waited for until the time that the server names", async () => {
    let refusals = 1;
    hub.behave = ({ storage }) =>
      storage && refusals-- > 0
        ? { status: 429, headers: { "retry-after": new Date(Date.now() + 2500).toUTCString() } }
        : undefined;
    const pauses: DownloadProgress[] = [];
    const onDownload = (progress: DownloadProgress): void => {
      if (progress.phase === "pausing") pauses.push(progress);
    };
    const path = await resolveModel(url(), { onDownload });
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(pauses).toMatchObject([{ file: "model.Q4_K_M.gguf", phase: "pausing" }]);
    expect(pauses[0]?.secondsLeft).toBeGreaterThanOrEqual(1);
    expect(pauses[0]?.secondsLeft).toBeLessThanOrEqual(2.5);
  });

  it("is not waited for until tomorrow", async () => {
    const tomorrow = new Date(Date.now() + 86_400_000).toUTCString();
    hub.behave = ({ storage }) => (storage ? { status: 429, headers: { "retry-after": tomorrow } } : undefined);
    await expect(resolveModel(url())).rejects.toMatchObject({ code: "DOWNLOAD", details: { status: 429 } });
  });

  it("tells the pauses after connections that broke off", async () => {
    let cuts = 4;
    hub.behave = ({ storage, range }) => (storage && range !== "bytes=0-3" && cuts-- > 0 ? { cutAfter: 0 } : undefined);
    const pauses: (number | null)[] = [];
    const path = await resolveModel(url(), {
      connections: 1,
      onDownload: ({ phase, secondsLeft }) => {
        if (phase === "pausing") pauses.push(secondsLeft);
      },
    });
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(pauses).toEqual([1.2, 2.4]);
  }, 20_000);

  it("of the hub's own host is the hub's file", async () => {
    const path = await resolveModel(`${hub.url}/${name}/resolve/main/model.Q4_K_M.gguf`);
    expect(path.startsWith(repository)).toBe(true);
    expect((await lstat(path)).isSymbolicLink()).toBe(true);
  });

  it("that leads nowhere says so", async () => {
    await expect(resolveModel(`${url()}x`)).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      details: { source: `${url()}x` },
    });
  });
});

interface TestProxy {
  address: string;
  /** Hosts that it was asked to connect to, and with which credentials. */
  seen: string[];
  credentials: (string | undefined)[];
  close(): void;
}

/** Connects to what it is asked for, or answers with a status of its own. */
async function startProxy(status = 200): Promise<TestProxy> {
  const seen: string[] = [];
  const credentials: (string | undefined)[] = [];
  const proxy = createServer();
  proxy.on("connect", (request, socket, head) => {
    seen.push(request.url ?? "");
    credentials.push(request.headers["proxy-authorization"]);
    socket.on("error", () => undefined);
    if (status !== 200) {
      socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const [host = "", port] = (request.url ?? "").split(":");
    const target = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      target.write(head);
      target.pipe(socket).pipe(target);
    });
    target.on("error", () => socket.destroy());
    socket.on("error", () => target.destroy());
  });
  await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
  const close = (): void => {
    proxy.closeAllConnections();
    proxy.close();
  };
  return { address: `127.0.0.1:${(proxy.address() as AddressInfo).port}`, seen, credentials, close };
}

describe("a proxy", () => {
  let proxy: TestProxy | undefined;
  const use = async (status?: number): Promise<TestProxy> => (proxy = await startProxy(status));
  afterEach(() => proxy?.close());

  it("carries everything where the environment names one", async () => {
    const { address, seen } = await use();
    // Without a scheme, and for all that no other variable names one for.
    setVariables({ ALL_PROXY: address, NO_PROXY: undefined });
    const { resolveModel: fresh } = await freshHub();
    expect((await readFile(await fresh(`hf:${name}`))).equals(content)).toBe(true);
    // The hub itself, and the host that it redirects to.
    expect(seen).toContain(new URL(hub.url).host);
    expect(new Set(seen).size).toBe(2);
  });

  it("carries nothing to hosts that NO_PROXY names", async () => {
    const { address, seen } = await use();
    const { port } = new URL(hub.url);
    setVariables({ ALL_PROXY: address, NO_PROXY: `other.example,127.0.0.1:${port}` });
    const { resolveModel: fresh } = await freshHub();
    expect((await readFile(await fresh(`hf:${name}`))).equals(content)).toBe(true);
    // The hub redirects to another port.
    expect(new Set(seen).size).toBe(1);
    expect(seen).not.toContain(new URL(hub.url).host);
  });

  it.each([
    ["user:word", "user:word"],
    ["user:", "user:"],
    ["user", "user:"],
    ["us%40er:p%25%3A", "us@er:p%:"],
  ])("gets the name and password of its address: %s", async (written, sent) => {
    const { address, credentials } = await use();
    setVariables({ HTTP_PROXY: `http://${written}@${address}`, NO_PROXY: undefined });
    const { resolveModel: fresh } = await freshHub();
    await fresh(`hf:${name}:F16`);
    expect(new Set(credentials)).toEqual(new Set([`Basic ${Buffer.from(sent).toString("base64")}`]));
  });

  it.each([
    [
      407,
      /^The proxy on the way to 127\.0\.0\.1:\d+ asks for a name and password, .*\(407\): HTTP_PROXY can have them, as/,
    ],
    [
      403,
      /^The proxy on the way to 127\.0\.0\.1:\d+ does not let the connection through \(403\)\. .* let NO_PROXY name/,
    ],
  ])("that answers with %i is asked once, and told of", async (status, message) => {
    const { address, seen } = await use(status);
    setVariables({ HTTP_PROXY: address, NO_PROXY: undefined });
    const { resolveModel: fresh } = await freshHub();
    await expect(fresh(`hf:${name}`)).rejects.toMatchObject({
      code: "DOWNLOAD",
      message: expect.stringMatching(message) as string,
    });
    expect(seen).toHaveLength(1);
  });

  it("of HTTP carries no HTTPS, and a certificate that cannot be trusted is looked at once", async () => {
    const { address, seen } = await use();
    const server = createSecureServer({ key: testKey, cert: testCertificate }).listen(0, "127.0.0.1");
    await once(server, "listening");
    let connections = 0;
    server.on("connection", () => connections++);
    server.on("tlsClientError", () => undefined);
    setVariables({ HTTP_PROXY: address, NO_PROXY: undefined });
    const { resolveModel: fresh } = await freshHub();
    await expect(fresh(`https://127.0.0.1:${(server.address() as AddressInfo).port}/x.gguf`)).rejects.toMatchObject({
      code: "DOWNLOAD",
      message: expect.stringMatching(
        /^Cannot trust the certificate of 127\.0\.0\.1:\d+: .*self-signed certificate.* NODE_EXTRA_CA_CERTS can name a file/,
      ) as string,
    });
    server.close();
    expect(connections).toBe(1);
    expect(seen).toEqual([]);
  });

  it.each([
    [{ HTTP_PROXY: "http://a:1" }, { httpProxy: "http://a:1" }],
    [{ HTTPS_PROXY: "a:1" }, { httpsProxy: "http://a:1" }],
    [
      { ALL_PROXY: "socks5h://a:1", HTTPS_PROXY: "https://b:2" },
      { httpProxy: "socks5://a:1", httpsProxy: "https://b:2" },
    ],
    [{ https_proxy: "user:word@a:1", HTTPS_PROXY: "b:2", HTTP_PROXY: "" }, { httpsProxy: "http://user:word@a:1" }],
    [{}, {}],
  ])("is named by %j", (variables, expected) => {
    expect(proxies(variables)).toEqual(expected);
  });

  it("whose address has a malformed name or password is refused without telling it", async () => {
    setVariables({ HTTPS_PROXY: "http://user:secret%zz@proxy.example:3128" });
    const { resolveModel: fresh } = await freshHub();
    await expect(fresh(`hf:${name}`)).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message:
        'Expected an address whose name and password have a "%" written as %25 for HTTPS_PROXY but received "http://…@proxy.example:3128"',
    });
    setVariables({ HTTPS_PROXY: "user:secret@proxy.example:port" });
    await expect(fresh(`hf:${name}`)).rejects.toMatchObject({
      message: expect.stringMatching(/HTTPS_PROXY but received "…@proxy\.example:port"$/) as string,
    });
  });

  it.each([
    ["HTTPS_PROXY", "ftp://a:1"],
    ["HTTP_PROXY", "http://a:99999999"],
    ["ALL_PROXY", "a b"],
  ])("that %s names as %s cannot be used, and is said to", async (variable, value) => {
    setVariables({ [variable]: value });
    const { resolveModel: fresh } = await freshHub();
    await expect(fresh(`hf:${name}`)).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: `Expected the address of a proxy such as http://proxy.example:3128 for ${variable} but received "${value}"`,
    });
  });
});

/** The hub's modules anew, with an agent that sees the present variables. */
async function freshHub(): Promise<{ resolveModel: typeof resolveModel }> {
  vi.resetModules();
  return import("../../src/hub/index.js");
}

/** The hub with another size in its lists. */
async function startProxyOfListing(upstream: HubServer, size: number): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    void (async () => {
      const answer = await fetch(`${upstream.url}${request.url ?? ""}`);
      const body = (await answer.text()).replace(/"size":\d+/g, `"size":${size}`);
      response.writeHead(answer.status, { "content-type": "application/json" }).end(body);
    })();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() };
}
