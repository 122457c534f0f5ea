import { resolve } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { findModel, identifyModel, knownModels } from "../../src/hub/index.js";
import { parseSource } from "../../src/hub/names.js";
import { namesOf } from "../../src/hub/catalogue.js";
import { quantizationOf, withoutQuantization } from "../../src/hub/quantization.js";

describe("the catalogue", () => {
  it("has no name twice", () => {
    const names = knownModels().flatMap((model) => [...new Set(namesOf(model))]);
    expect(names).toEqual([...new Set(names)]);
  });

  it("has its names in lower case, and every fact", () => {
    for (const model of knownModels()) {
      expect(namesOf(model).join()).toBe(namesOf(model).join().toLowerCase());
      expect(model.repository).toMatch(/^[\w.-]+\/[\w.-]+-GGUF$/);
      expect(quantizationOf(model.quantization)).toBe(model.quantization);
      for (const fact of [model.licence, model.promptFormat, model.strengths, model.weaknesses])
        expect(fact).not.toBe("");
    }
  });

  it.each([
    "mistral",
    "mistral-7b-instruct",
    "mistral-7b-instruct-v0.2",
    "Mistral-7B-Instruct-v0.2",
    "mistralai/Mistral-7B-Instruct-v0.2",
    "mistralai/mistral-7b-instruct-v0.2",
    "mistral.mistral-7b-instruct-v0:2",
    "@hf/mistral/mistral-7b-instruct-v0.2",
    "TheBloke/Mistral-7B-Instruct-v0.2-GGUF",
  ])("knows Mistral-7B-Instruct-v0.2 as %s", (name) => {
    expect(findModel(name)?.name).toBe("mistral-7b-instruct-v0.2");
    expect(parseSource(name)).toMatchObject({ kind: "known", model: { name: "mistral-7b-instruct-v0.2" } });
  });
});

describe("a source", () => {
  it.each([
    ["hf:owner/name", { kind: "hub", repository: "owner/name", revision: "main" }],
    ["hf://owner/name", { kind: "hub", repository: "owner/name" }],
    ["HF:owner/name:q8_0", { kind: "hub", repository: "owner/name", quantization: "q8_0" }],
    ["hf:owner/name@v1.0:Q8_0", { kind: "hub", repository: "owner/name", revision: "v1.0", quantization: "Q8_0" }],
    ["hf:owner/name@refs%2Fpr%2F1", { kind: "hub", repository: "owner/name", revision: "refs/pr/1" }],
    ["hf:owner/name/a/b.gguf", { kind: "hub", repository: "owner/name", file: "a/b.gguf" }],
    ["https://huggingface.co/owner/name", { kind: "hub", repository: "owner/name", revision: "main" }],
    ["https://hf.co/owner/name/tree/dev", { kind: "hub", repository: "owner/name", revision: "dev" }],
    [
      "https://huggingface.co/owner/name/resolve/main/a%20b.gguf?download=true",
      { kind: "hub", repository: "owner/name", revision: "main", file: "a b.gguf" },
    ],
    ["https://huggingface.co/owner/name/blob/main/x/y.gguf", { kind: "hub", file: "x/y.gguf" }],
    ["https://example.com/x.gguf", { kind: "url", url: "https://example.com/x.gguf" }],
    ["ollama:mistral:7b", { kind: "ollama", name: "mistral:7b" }],
    ["mistral:7b", { kind: "known", model: { name: "mistral-7b-instruct-v0.2" } }],
    ["mistral:latest", { kind: "known", model: { name: "mistral-7b-instruct-v0.2" } }],
    ["smollm2:135m", { kind: "known", model: { name: "smollm2-135m-instruct" } }],
    ["smollm2:1.7b", { kind: "known", model: { name: "smollm2-1.7b-instruct" } }],
    ["llama3.2:3b", { kind: "known", model: { name: "llama-3.2-3b-instruct" } }],
    ["file:x.gguf", { kind: "path", path: resolve("x.gguf") }],
    ["mistral:q8_0", { kind: "known", model: { name: "mistral-7b-instruct-v0.2" }, quantization: "q8_0" }],
    ["hf:mistralai/Mistral-7B-Instruct-v0.3", { kind: "known", model: { name: "mistral-7b-instruct-v0.3" } }],
    ["./smollm2", { kind: "path", path: resolve("smollm2") }],
    ["models/a.gguf", { kind: "path", path: resolve("models/a.gguf") }],
  ])("%s is understood", (source, expected) => {
    expect(parseSource(source)).toMatchObject(expected);
  });

  it.each(["hf:", "hf:owner", "hf:owner/name:", "hf:/name", "hf:owner/name//x", "hf:owner/name/../../x", "hf:../x"])(
    "%s is refused",
    (source) => {
      expect(() => parseSource(source)).toThrow(expect.objectContaining({ code: "MODEL_NOT_FOUND" }));
    },
  );
});

describe("a URL of a mirror's host", () => {
  const saved = process.env["HF_ENDPOINT"];
  beforeEach(() => {
    process.env["HF_ENDPOINT"] = "https://mirror.example/hub";
  });
  afterEach(() => {
    if (saved === undefined) Reflect.deleteProperty(process.env, "HF_ENDPOINT");
    else process.env["HF_ENDPOINT"] = saved;
  });

  it.each([
    ["https://mirror.example/owner/name", { kind: "hub", repository: "owner/name" }],
    [
      "https://mirror.example/owner/name/resolve/main/x.gguf",
      { kind: "hub", repository: "owner/name", file: "x.gguf" },
    ],
    ["https://mirror.example/models/x.gguf", { kind: "url", url: "https://mirror.example/models/x.gguf" }],
    ["https://huggingface.co/owner/x.gguf", { kind: "hub", repository: "owner/x.gguf" }],
  ])("%s is a repository or a file", (source, expected) => {
    expect(parseSource(source)).toMatchObject(expected);
  });
});

describe("a known name behind hf:", () => {
  it.each([
    ["hf:mistral", "mistral"],
    ["hf:mistral:Q8_0", "mistral:Q8_0"],
    ["hf:smolm2", "smollm2"],
  ])("%s is meant as %s", (source, name) => {
    expect(() => parseSource(source)).toThrow(`/file.gguf. Did you mean ${name}?`);
  });
});

describe("a revision of weights as they were published", () => {
  it("is refused, as the catalogue's files are of another repository", () => {
    expect(() => parseSource("hf:mistralai/Mistral-7B-Instruct-v0.3@v1.0")).toThrow(
      /@v1\.0: mistralai\/Mistral-7B-Instruct-v0\.3 has no GGUF files; those of hf:\S+ are meant/,
    );
    expect(parseSource("hf:mistralai/Mistral-7B-Instruct-v0.3@main")).toMatchObject({ kind: "known" });
  });
});

describe("the quantization of a file's name", () => {
  it.each([
    ["mistral-7b-instruct-v0.2.Q4_K_M.gguf", "Q4_K_M", "mistral-7b-instruct-v0.2"],
    ["Llama-3.2-1B-Instruct-IQ3_XXS.gguf", "IQ3_XXS", "Llama-3.2-1B-Instruct"],
    ["qwen2.5-7b-instruct-fp16-00001-of-00004.gguf", "F16", undefined],
    ["Q8_0/model-Q8_0-00001-of-00002.gguf", "Q8_0", undefined],
    ["gpt-oss-20b-MXFP4.gguf", "MXFP4", undefined],
    ["x-UD-Q4_K_XL.gguf", "UD-Q4_K_XL", "x"],
    ["model.bf16.gguf", "BF16", "model"],
    ["model-q2.gguf", null, undefined],
    ["plain.gguf", null, undefined],
  ])("%s is %s", (name, quantization, rest) => {
    expect(quantizationOf(name)).toBe(quantization);
    if (rest !== undefined) expect(withoutQuantization(name.replace(/\.gguf$/, ""))).toBe(rest);
  });
});

describe("identifyModel", () => {
  it.each([
    ["mistral", "mistral-7b-instruct-v0.2"],
    ["mistral:q4_k_m", "mistral-7b-instruct-v0.2"],
    ["mistral:q8_0", "mistral-7b-instruct-v0.2:q8_0"],
    ["hf:TheBloke/Mistral-7B-Instruct-v0.2-GGUF", "mistral-7b-instruct-v0.2"],
    ["/models/mistral-7b-instruct-v0.2.Q4_K_M.gguf", "mistral-7b-instruct-v0.2"],
    ["/models/Mistral-7B-Instruct-v0.2.Q8_0-00001-of-00002.gguf", "mistral-7b-instruct-v0.2:Q8_0"],
    ["/models/my-own.gguf", "my-own"],
    ["hf:owner/name:Q8_0", "owner/name:Q8_0"],
    ["https://example.com/path/thing.Q4_0.gguf", "thing.Q4_0"],
    ["ollama:mistral:7b", "mistral:7b"],
  ])("calls %s %s", (source, id) => {
    expect(identifyModel(source).id).toBe(id);
  });

  it("gives every name that a request may use", () => {
    const { names, known } = identifyModel("/models/mistral-7b-instruct-v0.2.Q4_K_M.gguf");
    expect(known?.name).toBe("mistral-7b-instruct-v0.2");
    expect(names).toEqual(
      expect.arrayContaining([
        "mistral",
        "mistralai/mistral-7b-instruct-v0.2",
        "mistral-7b-instruct-v0.2:q4_k_m",
        "mistral-7b-instruct-v0.2.q4_k_m",
      ]),
    );
  });
});
