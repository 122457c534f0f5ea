import { expect, test } from "vitest";

import { distinctIds } from "../../src/server/models/model-names.js";

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
