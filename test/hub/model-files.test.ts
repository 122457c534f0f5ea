import { describe, expect, it } from "vitest";

import { chooseModel, groupModels } from "../../src/hub/model-files.js";

const files = (...paths: string[]) => paths.map((path, index) => ({ path, sizeBytes: (index + 1) * 100 }));
const choose = (paths: string[], choice: { quantization?: string; file?: string; fallback?: string } = {}) =>
  chooseModel(groupModels(files(...paths)), { source: "hf:o/r", repository: "o/r", ...choice }).files.map(
    ({ path }) => path,
  );

describe("the models of a repository", () => {
  it("are its GGUF files, but for projectors and matrices", () => {
    const models = groupModels(files("README.md", "a.Q8_0.gguf", "mmproj-a-f16.gguf", "a.imatrix.gguf", "a.Q4_0.gguf"));
    expect(models.map(({ quantization }) => quantization)).toEqual(["Q8_0", "Q4_0"]);
  });

  it.each([
    ["imatrix.gguf", false],
    ["m.imatrix.gguf", false],
    ["Q4_K_M/m-imatrix.gguf", false],
    ["m-imatrix-Q4_K_M.gguf", true],
    ["m.Q4_K_M-imatrix.gguf", true],
    ["imatrix/m.gguf", true],
  ])("count %s among them only where it is one: %s", (path, isModel) => {
    expect(groupModels(files(path)).length).toBe(isModel ? 1 : 0);
  });

  it("are found without the UD- that some have in front of their label", () => {
    const both = ["a-UD-Q4_K_XL.gguf", "a-Q4_K_M.gguf", "a-UD-Q4_K_M.gguf", "a-UD-IQ2_M.gguf"];
    expect(choose(both, { quantization: "Q4_K_XL" })).toEqual(["a-UD-Q4_K_XL.gguf"]);
    expect(choose(both, { quantization: "ud-q4_k_m" })).toEqual(["a-UD-Q4_K_M.gguf"]);
    expect(choose(both, { quantization: "Q4_K_M" })).toEqual(["a-Q4_K_M.gguf"]);
    expect(choose(both, { quantization: "Q4" })).toEqual(["a-Q4_K_M.gguf"]);
    expect(choose(both, { quantization: "IQ2" })).toEqual(["a-UD-IQ2_M.gguf"]);
  });

  it("are whole where they are split", () => {
    const models = groupModels(
      files("a-Q8_0-00002-of-00002.gguf", "a-Q8_0-00001-of-00002.gguf", "b-Q8_0-00001-of-00003.gguf"),
    );
    expect(models).toEqual([
      {
        quantization: "Q8_0",
        sizeBytes: 300,
        files: [
          { path: "a-Q8_0-00001-of-00002.gguf", sizeBytes: 200 },
          { path: "a-Q8_0-00002-of-00002.gguf", sizeBytes: 100 },
        ],
      },
    ]);
  });
});

describe("the model that is meant", () => {
  const usual = ["m.Q2_K.gguf", "m.Q4_K_S.gguf", "m.Q4_K_M.gguf", "m.Q8_0.gguf", "m.fp16.gguf"];

  it.each([
    [{}, "m.Q4_K_M.gguf"],
    [{ fallback: "Q8_0" }, "m.Q8_0.gguf"],
    [{ fallback: "Q6_K" }, "m.Q4_K_M.gguf"],
    [{ quantization: "q8_0" }, "m.Q8_0.gguf"],
    [{ quantization: "F16" }, "m.fp16.gguf"],
    [{ quantization: "Q2" }, "m.Q2_K.gguf"],
    [{ file: "m.Q2_K.gguf" }, "m.Q2_K.gguf"],
  ])("by %j", (choice, expected) => {
    expect(choose(usual, choice)).toEqual([expected]);
  });

  it("is the only one, whatever its name", () => {
    expect(choose(["thing.gguf"])).toEqual(["thing.gguf"]);
  });

  it.each([
    [usual, { quantization: "Q4" }, /may mean several models; choose one: hf:o\/r:Q4_K_S, hf:o\/r:Q4_K_M$/],
    [["a.Q4_K_M.gguf", "b.Q4_K_M.gguf"], {}, /choose one: hf:o\/r\/a\.Q4_K_M\.gguf, hf:o\/r\/b\.Q4_K_M\.gguf$/],
    [["a.gguf", "b.gguf"], {}, /choose one: hf:o\/r\/a\.gguf, hf:o\/r\/b\.gguf$/],
    [usual, { quantization: "Q6_K" }, /^o\/r has no Q6_K\. It has Q2_K, Q4_K_S, Q4_K_M, Q8_0, F16$/],
    [usual, { file: "m.Q4_K_N.gguf" }, /^o\/r has no file m\.Q4_K_N\.gguf\. Did you mean m\.Q4_K_[SM]\.gguf\?$/],
    [["README.md"], {}, /^o\/r has no GGUF files/],
    [
      ["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"],
      { file: "a-00002-of-00002.gguf" },
      /a-00002-of-00002\.gguf is a later part of a split model; its first is a-00001-of-00002\.gguf$/,
    ],
  ])("of %j by %j is not clear, and the choices are listed", (paths, choice, message) => {
    expect(() => choose(paths, choice)).toThrow(
      expect.objectContaining({ code: "MODEL_NOT_FOUND", message: expect.stringMatching(message) }),
    );
  });
});
