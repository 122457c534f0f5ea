import { expect, test } from "vitest";

import { distinctIds, plainName } from "../../src/server/models/model-names.js";

test("models are listed by name, and quantizations of one model by theirs too", () => {
  expect(distinctIds([{ source: "/models/a.Q4_K_M.gguf" }, { source: "/models/b.Q8_0.gguf" }])).toEqual(["a", "b"]);
  expect(distinctIds([{ source: "/models/a.Q4_K_M.gguf" }, { source: "/models/a.Q8_0.gguf" }])).toEqual([
    "a.Q4_K_M",
    "a.Q8_0",
  ]);
  expect(distinctIds([{ source: "hf:o/r:Q4_K_M" }, { source: "hf:o/r:Q8_0" }])).toEqual(["r:Q4_K_M", "r:Q8_0"]);
  expect(distinctIds([{ name: "a", source: "x.gguf" }, { source: "/models/a.Q8_0.gguf" }])).toEqual(["a", "a.Q8_0"]);
});

test("two models of one id are refused, as requests could not tell them apart", () => {
  const both = [
    { name: "a", source: "x.gguf" },
    { name: "A", source: "y.gguf" },
  ];
  expect(() => distinctIds(both)).toThrow(/x\.gguf and y\.gguf have the same.*A/);
  expect(() => distinctIds([{ source: "x/a.gguf" }, { source: "y/a.gguf" }])).toThrow("models with names of their own");
});

test("names are alike but for owner, case, blanks, :latest, and a file's ending and quantization", () => {
  const plain = "mistral-7b-instruct-v0-2";
  for (const name of ["mistralai/Mistral-7B-Instruct-v0.2", "mistral-7b-instruct-v0.2.Q4_K_M.gguf"]) {
    expect([plainName(name), plainName(`${name}:latest`), plainName(`${name}:q8_0`)]).toEqual([plain, plain, plain]);
  }
  expect(plainName("qwen2.5:7b")).toBe(plainName("Qwen/Qwen2.5-7B"));
  expect(plainName("qwen2.5:7b")).not.toBe(plainName("qwen2.5:72b"));
  expect(plainName("qwen2.5:7b-instruct-q4_K_M")).toBe(plainName("qwen2.5:7b-instruct"));
  expect(plainName("hf:o/gpt-oss-20b:MXFP4")).toBe("gpt-oss-20b");
});
