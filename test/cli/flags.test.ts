import { Command } from "commander";
import { describe, expect, it } from "vitest";

import { defineChat } from "../../src/cli/commands/chat.js";
import { defineComplete } from "../../src/cli/commands/complete.js";
import { allFlags } from "../../src/cli/flags/all-flags.js";
import { contextFlags } from "../../src/cli/flags/context-flags.js";
import type { FlagTable } from "../../src/cli/flags/flag-table.js";
import { addFlags, flagOfOption, readFlags } from "../../src/cli/flags/flag-table.js";
import { loadFlags } from "../../src/cli/flags/load-flags.js";
import { requestFlags } from "../../src/cli/flags/request-flags.js";
import { samplingFlags } from "../../src/cli/flags/sampling-flags.js";
import { contextRules } from "../../src/context/context-options.js";
import { requestRules } from "../../src/context/request-options.js";
import { readLoadOptions } from "../../src/model/load-options.js";
import { readOptions } from "../../src/validate.js";

function parse(table: FlagTable, line: string): Record<string, unknown> {
  const command = new Command().exitOverride();
  addFlags(command, "Options:", table);
  command.parse(line === "" ? [] : line.split(" "), { from: "user" });
  return readFlags(command, table);
}

describe("flags", () => {
  it.each<[FlagTable, string, Record<string, unknown>]>([
    [samplingFlags, "", {}],
    [samplingFlags, "--temperature 0 --top-k 5 --seed 7", { temperature: 0, topK: 5, seed: 7 }],
    [
      samplingFlags,
      "--frequency-penalty -1.5 --presence-penalty=-.5",
      { frequencyPenalty: -1.5, presencePenalty: -0.5 },
    ],
    [samplingFlags, "--dry-multiplier 1 --dry-last-tokens -1", { dry: { multiplier: 1, lastTokens: -1 } }],
    [
      samplingFlags,
      "--dry-multiplier 1 --dry-sequence-breaker a --dry-sequence-breaker b",
      { dry: { multiplier: 1, sequenceBreakers: ["a", "b"] } },
    ],
    [samplingFlags, "--mirostat 2 --mirostat-tau 3e0", { mirostat: { version: 2, tau: 3 } }],
    [samplingFlags, "--xtc-probability .5 --xtc-threshold 1.", { xtc: { probability: 0.5, threshold: 1 } }],
    [samplingFlags, "--dynamic-temperature-range 0.5", { dynamicTemperature: { range: 0.5 } }],
    [samplingFlags, "--sampler-order top-k,topNSigma,typical-p", { samplerOrder: ["topK", "topNSigma", "typicalP"] }],
    [
      samplingFlags,
      "--logit-bias 15=-inf --logit-bias 007=2 --logit-bias a=b=-1.5",
      {
        logitBias: new Map<unknown, number>([
          [15, -Infinity],
          ["007", 2],
          ["a=b", -1.5],
        ]),
      },
    ],
    [requestFlags, "--stop a --stop b --stop-tokens 1,2", { stop: ["a", "b"], stopTokens: [1, 2] }],
    [
      requestFlags,
      "--logprobs --ignore-eos --no-cache-prompt",
      { logprobs: true, ignoreEos: true, cachePrompt: false },
    ],
    [requestFlags, "--logprobs 3", { logprobs: 3 }],
    [contextFlags, "--kv-type q8_0 --threads 2", { kvType: "q8_0", threads: 2 }],
    [contextFlags, "--kv-type q8_0,f16 --no-offload-kv", { kvType: { k: "q8_0", v: "f16" }, offloadKv: false }],
    [
      loadFlags,
      "--devices CUDA0,CUDA1 --split-mode row --tensor-split 3,1",
      { devices: ["CUDA0", "CUDA1"], splitMode: "row", tensorSplit: [3, 1] },
    ],
    [
      loadFlags,
      "--devices none --split-mode none --main-gpu CUDA1",
      { devices: [], splitMode: "none", mainGpu: "CUDA1" },
    ],
    [
      loadFlags,
      "--tensor-override ffn_(?=up)=CPU --tensor-override attn=CUDA0",
      { tensorOverrides: { "ffn_(?=up)": "CPU", attn: "CUDA0" } },
    ],
    [loadFlags, "--no-mmap --mlock --no-repack", { useMmap: false, useMlock: true, repack: false }],
    [loadFlags, "--gpu-layers all", { gpuLayers: "all" }],
    [
      loadFlags,
      "--metadata-override a=1 --metadata-override b=float:2 --metadata-override c=true --metadata-override d=string:3",
      { metadataOverrides: { a: 1, b: { type: "float", value: 2 }, c: true, d: { type: "string", value: "3" } } },
    ],
  ])("%# %s", (table, line, expected) => {
    const options = parse(table, line);
    expect(options).toEqual(expected);
    if (table === loadFlags) readLoadOptions(options);
    else readOptions("flags", { ...requestRules, ...contextRules }, options);
  });

  it("are the library's options in kebab case", () => {
    expect(flagOfOption("repeatLastTokens", allFlags)).toEqual({
      flag: "--repeat-last-tokens",
      option: "repeatLastTokens",
    });
    expect(flagOfOption("dry.base", allFlags)).toEqual({ flag: "--dry-base", option: "dry.base" });
    expect(flagOfOption('logitBias["a.b"]', allFlags)).toMatchObject({ flag: "--logit-bias", option: "logitBias" });
    expect(flagOfOption("kvType.k", allFlags)).toMatchObject({ flag: "--kv-type", option: "kvType" });
    expect(flagOfOption("messages", allFlags)).toBeUndefined();
  });

  it.each([defineChat, defineComplete])("do not collide: %o", (define) => {
    const command = new Command();
    define(command); // commander refuses a flag that is there already
    const attributes = command.options.map((option) => option.attributeName());
    expect(new Set(attributes).size).toBe(attributes.length);
  });
});
