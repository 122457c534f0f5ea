import { basename, dirname } from "node:path";

import { describe, expect, it } from "vitest";

import { partsOf, urlPath } from "../../src/hub/url-path.js";

const at = (name: string): string => urlPath(`https://models.example/${name}`);

describe("the place of a URL's file", () => {
  it.each([
    ["模型甲.gguf", "模型乙.gguf"],
    ["a%20b.gguf", "a_b.gguf"],
    ["model", "model.gguf"],
    ["A.gguf", "a.gguf"],
    ["a/m.gguf", "b/m.gguf"],
    ["m.gguf?version=1", "m.gguf?version=2"],
    ["m-00001-of-00002.gguf", "m-00001-of-00003.gguf"],
    ["m-00001-of-00002.gguf", "n-00001-of-00002.gguf"],
  ])("is another folder for %s than for %s", (one, other) => {
    expect(dirname(at(one)).toLowerCase()).not.toBe(dirname(at(other)).toLowerCase());
  });

  it("is the same by whatever it is signed", () => {
    expect(at("m.gguf?version=1&X-Amz-Signature=abc&Expires=17#top")).toBe(at("m.gguf?version=1"));
  });

  it("is one folder for the parts of a split model, under the names that tell them", () => {
    const paths = partsOf("https://models.example/m-00001-of-00003.gguf?version=1").map(urlPath);
    expect(new Set(paths.map((path) => dirname(path))).size).toBe(1);
    expect(paths.map((path) => basename(path))).toEqual(
      ["00001", "00002", "00003"].map((part) => `m-${part}-of-00003.gguf`),
    );
  });
});
