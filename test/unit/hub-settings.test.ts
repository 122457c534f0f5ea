import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { hubSettings } from "../../src/hub/settings.js";

let folder: string;
let nowhere: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hub-settings-"));
  nowhere = join(folder, "nowhere");
  writeFileSync(join(folder, "token"), "hf_of_login\n");
  writeFileSync(join(folder, "other"), "hf_other\n");
  writeFileSync(join(folder, "empty"), "\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("the hub's cache", () => {
  it.each<[Record<string, string>, string]>([
    [{}, join(homedir(), ".cache", "huggingface", "hub")],
    [{ XDG_CACHE_HOME: "/caches" }, resolve("/caches/huggingface/hub")],
    [{ XDG_CACHE_HOME: "/caches", HF_HOME: "/home/hf" }, resolve("/home/hf/hub")],
    [{ HF_HOME: "~/hf" }, join(homedir(), "hf", "hub")],
    [{ HF_HOME: "/home/hf", HUGGINGFACE_HUB_CACHE: "/old" }, resolve("/old")],
    [{ HUGGINGFACE_HUB_CACHE: "/old", HF_HUB_CACHE: "/new" }, resolve("/new")],
    [{ HF_HUB_CACHE: "", HF_HOME: "" }, join(homedir(), ".cache", "huggingface", "hub")],
  ])("with %j is %s", (variables, cache) => {
    expect(hubSettings(variables).cache).toBe(cache);
  });
});

describe("the token", () => {
  const found = (variables: Record<string, string>): (string | undefined)[] => {
    const { token, tokenFrom } = hubSettings(variables);
    return [token, tokenFrom];
  };

  it("is a variable's, or what logging in left in HF_HOME, or in the file that HF_TOKEN_PATH names", () => {
    expect(found({ HF_HOME: folder })).toEqual(["hf_of_login", join(folder, "token")]);
    expect(found({ HF_HOME: folder, HF_TOKEN_PATH: join(folder, "other") })).toEqual([
      "hf_other",
      join(folder, "other"),
    ]);
    expect(found({ HF_HOME: folder, HUGGING_FACE_HUB_TOKEN: "hf_old" })).toEqual(["hf_old", "HUGGING_FACE_HUB_TOKEN"]);
    expect(found({ HF_TOKEN: " hf_new\n", HUGGING_FACE_HUB_TOKEN: "hf_old" })).toEqual(["hf_new", "HF_TOKEN"]);
  });

  it("is none where nobody has logged in", () => {
    expect(found({ HF_HOME: nowhere })).toEqual([undefined, undefined]);
    expect(found({ HF_HOME: folder, HF_TOKEN_PATH: join(folder, "empty"), HF_TOKEN: "" })).toEqual([
      undefined,
      undefined,
    ]);
  });
});

it.each<[Record<string, string>, boolean]>([
  [{}, false],
  [{ HF_HUB_OFFLINE: "1" }, true],
  [{ TRANSFORMERS_OFFLINE: "yes" }, true],
  [{ TRANSFORMERS_OFFLINE: "True", HF_HUB_OFFLINE: "0" }, true],
  [{ TRANSFORMERS_OFFLINE: "0", HF_HUB_OFFLINE: "off" }, false],
])("with %j being offline is %j", (variables, offline) => {
  expect(hubSettings(variables).offline).toBe(offline);
});
