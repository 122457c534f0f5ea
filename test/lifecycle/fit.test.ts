import { pathToFileURL } from "node:url";

import { afterEach, beforeAll, describe, expect, it } from "vitest";

import { loadModel } from "../../src/index.js";
import type { KvType } from "../../src/model/ggml-types.js";
import { checkpointBytes } from "../../src/model/memory-estimate.js";
import { readModelShape } from "../../src/model/model-memory.js";
import { compiledCommand, compiledLibrary } from "../support/compiled.js";
import { measureMemory } from "../support/measure-memory.js";
import type { Findings, MemoryLimit } from "../support/memory-limit.js";
import { groupsWork, memoryGroup, run, runModel } from "../support/memory-limit.js";
import type { MemoryShape } from "../support/models.js";
import { memoryModel, model125m, smollm2, tinyModel } from "../support/models.js";
import { tiedModel } from "../support/tied-model.js";

const mebibyte = 1 << 20;
const onLinux = process.platform === "linux";

describe.runIf(onLinux)("the memory that is estimated by a file's header", () => {
  it.each<[name: string, contextSize: number, kvType: KvType, model: () => Promise<string>]>([
    ["tiny, Q4_K_M", 512, "f16", tinyModel],
    ["tiny, Q4_K_M", 512, "q8_0", tinyModel],
    ["tiny, Q4_K_M", 512, "q4_0", tinyModel],
    ["tiny, Q4_K_M", 4096, "f16", tinyModel],
    ["tiny, Q4_K_M", 4096, "q8_0", tinyModel],
    ["tiny, Q4_K_M", 4096, "q4_0", tinyModel],
    ["tiny, F16", 4096, "f16", () => tinyModel("f16")],
    ["125M, Q4_K_M", 1024, "f16", model125m],
    ["125M, Q4_K_M", 2048, "q4_0", model125m],
    // Its embeddings are the output too, in a type that stays as it is,
    ["SmolLM2-135M, Q4_1", 512, "f16", smollm2],
    ["SmolLM2-135M, Q4_1", 512, "q8_0", smollm2],
    ["SmolLM2-135M, Q4_1", 512, "q4_0", smollm2],
    ["SmolLM2-135M, Q4_1", 4096, "q8_0", smollm2],
    // and in one that products want rearranged.
    ["tiny, tied Q6_K", 512, "f16", tiedModel],
    ["tiny with windows, F32", 4096, "f16", () => memoryModel("sliding-window")],
    ["tiny with states, F32", 4096, "f16", () => memoryModel("recurrent")],
    ["tiny with states and keys, F32", 4096, "f16", () => memoryModel("hybrid")],
    ["tiny with states and windows, F32", 4096, "f16", () => memoryModel("hybrid-sliding-window")],
    ["tiny with compressed keys, F32", 4096, "f16", () => memoryModel("latent")],
  ])("is within a twentieth of what it takes: %s, %i tokens, %s", async (name, contextSize, kvType, model) => {
    // Almost all of a large cache is touched by making it.
    const prompt = name.startsWith("SmolLM2") && contextSize > 1000 ? { promptTokens: 1000 } : {};
    const path = await model();
    // V8 keeps or returns three megabytes of its heap when it likes, a tenth of what the tiny model takes.
    // So most of five, or of three, must be right, and measuring ends when they are.
    const ratios: number[] = [];
    const [runs, most] = name.startsWith("tiny") ? [5, 3] : [3, 2];
    const right = (): number => ratios.filter((ratio) => ratio > 0.95 && ratio < 1.05).length;
    const measure = async (): Promise<number> => {
      const { estimatedBytes, measuredBytes } = await measureMemory(path, { contextSize, kvType, ...prompt });
      return estimatedBytes / measuredBytes;
    };
    while (ratios.length < runs && right() < most) {
      // Most of a tiny model's run is the start of its process, which takes one core.
      const atOnce = name.startsWith("tiny") ? Math.min(most - right(), runs - ratios.length) : 1;
      ratios.push(...(await Promise.all(Array.from({ length: atOnce }, measure))));
    }
    expect(right(), ratios.join(" ")).toBe(most);
  });
});

describe("states that the header tells the size of", () => {
  it.each<MemoryShape>(["recurrent", "hybrid"])("are what a sequence and its checkpoints have: %s", async (kind) => {
    const path = await memoryModel(kind);
    const shape = await readModelShape(path);
    const stateBytes = shape.stateBytes.reduce((sum, bytes) => sum + bytes, 0);
    const model = await loadModel(path);
    const contextSize = 2048;
    const context = await model.createContext({ contextSize, sequences: 2 });
    const tokens = Int32Array.from({ length: contextSize - 20 }, (_, index) => 3 + ((index * 7919) % 31_000));
    await context.generate({ tokens, maxTokens: 4, ignoreEos: true });
    const plan = { contextSize, kvTypeK: "f16", kvTypeV: "f16", sequences: 2, microBatchSize: 128 } as const;
    const { checkpointBytes: kept } = context.stats();
    const counted = checkpointBytes(shape, { ...plan, flashAttention: "auto" });
    expect(counted / stateBytes).toBe(10); // 8 among the first 1024 tokens, one at 1536, one before the last
    expect(kept / counted).toBeGreaterThan(0.98);
    expect(kept / counted).toBeLessThan(1.05);
    await model.dispose();
  });
});

describe.runIf(onLinux)("weights that stay in their file", () => {
  it("take what is estimated while there is room", async () => {
    const { estimatedBytes, measuredBytes } = await measureMemory(await model125m(), {
      contextSize: 2048,
      kvType: "f16",
      repack: false,
    });
    expect(estimatedBytes / measuredBytes).toBeGreaterThan(0.95);
    expect(estimatedBytes / measuredBytes).toBeLessThan(1.05);
  });
});

describe.runIf(onLinux)("a limit on memory", () => {
  let model: string;
  let limit: MemoryLimit | undefined;

  beforeAll(async () => {
    model = await model125m();
  });

  afterEach(() => {
    limit?.remove();
    limit = undefined;
  });

  const runLimited = async (command: MemoryLimit["command"], context: object, load = {}): Promise<Findings> =>
    runModel(model, command, context, load);

  describe.runIf(groupsWork())("of a control group", () => {
    const inGroup = (bytes: number): MemoryLimit["command"] => {
      limit = memoryGroup(bytes)!;
      return limit.command;
    };

    it("kills whoever takes more", async () => {
      const hog = "const kept = []; for (;;) kept.push(Buffer.alloc(16 << 20, 1));";
      const { code } = await run(inGroup(300 * mebibyte)(process.execPath, ["--eval", hog]));
      expect(code).toBe("SIGKILL");
    });

    it.each([260, 320, 400, 512])("of %i MiB is kept by an automatic context", async (size) => {
      const found = await runLimited(inGroup(size * mebibyte), { contextSize: "auto" });
      expect(found).toMatchObject({ generated: 4, kvType: { k: "f16", v: "f16" } });
      expect(found["contextSize"]).toBeGreaterThanOrEqual(256);
      expect(found["contextSize"]).toBeLessThan(32_768);
      expect(found["reason"]).toMatch(/^A context of \d+ tokens, the most that fit, with a KV cache in f16: /);
    });

    it("makes an automatic cache coarser before the context smaller", async () => {
      const found = await runLimited(inGroup(470 * mebibyte), { contextSize: "auto", kvType: "auto" });
      expect(found).toMatchObject({ generated: 4, contextSize: 32_768, kvType: { k: "q8_0", v: "q8_0" } });
    });

    it("refuses a context that cannot fit, with what would", async () => {
      const found = await runLimited(inGroup(400 * mebibyte), { contextSize: 32_768 });
      expect(found).toMatchObject({
        code: "INSUFFICIENT_MEMORY",
        message: expect.stringMatching(
          /^A context of 32768 tokens .* are available for it; a contextSize of \d+, or the kvType "q[48]_0" would fit$/,
        ),
      });
      const { fittingContextSize } = found["details"] as { fittingContextSize: number };
      expect(await runLimited(limit!.command, { contextSize: fittingContextSize - 512 })).toMatchObject({
        generated: 4,
      });
    });

    it("makes the usual context smaller where it must", async () => {
      const found = await runLimited(inGroup(190 * mebibyte), {});
      expect(found).toMatchObject({ generated: 4 });
      expect(found["contextSize"]).toBeLessThan(4096);
    });

    it("refuses no context for weights that may leave memory again", async () => {
      const command = inGroup(165 * mebibyte);
      // Beside all of the weights it does not fit; without their pages it does.
      expect(await runLimited(command, { contextSize: 2048 }, { repack: false })).toMatchObject({ generated: 4 });
      expect(await runLimited(command, { contextSize: 2048 })).toMatchObject({ code: "INSUFFICIENT_MEMORY" });
    });

    it("refuses a model that cannot fit before it is loaded", async () => {
      const found = await runLimited(inGroup(150 * mebibyte), {});
      expect(found).toMatchObject({
        code: "INSUFFICIENT_MEMORY",
        message: expect.stringMatching(
          / takes 1\d\d MB with a small context, but the limit of this container or service leaves \d+ MB\. /,
        ),
      });
    });

    it("is told by the command, which says what it chose", async () => {
      const args = [compiledCommand(), "complete", model, "-p", "Once", "--max-tokens", "4", "--ignore-eos"];
      const chosen = await run(inGroup(400 * mebibyte)(process.execPath, [...args, "--context-size", "auto"]));
      expect(chosen).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(/^A context of \d+ tokens, the most that fit/),
      });
      const refused = await run(limit!.command(process.execPath, [...args, "--context-size", "32768"]));
      expect(refused).toMatchObject({
        code: 1,
        stdout: "",
        stderr: expect.stringMatching(/^llama-native: A context of 32768 tokens .* would fit\n$/),
      });
      const tooLarge = await run(inGroup(150 * mebibyte)(process.execPath, args));
      expect(tooLarge).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /^llama-native: .* takes 1\d\d MB with a small context, but the limit of this container/,
        ),
      });
    });
  });

  describe("of the process", () => {
    it.each([
      ["--data", 300_000_000],
      ["--data", 450_000_000],
      ["--as", 1_800_000_000],
      ["--as", 1_750_000_000],
    ])("(%s %i) is kept by an automatic context", async (name, bytes) => {
      const prlimit: MemoryLimit["command"] = (command, args) => ["prlimit", `${name}=${bytes}`, command, ...args];
      const found = await runLimited(prlimit, { contextSize: "auto" });
      expect(found).toMatchObject({ generated: 4 });
      expect(found["contextSize"]).toBeLessThan(32_768);
      expect(await runLimited(prlimit, { contextSize: 32_768, kvType: "f32" })).toMatchObject({
        code: "INSUFFICIENT_MEMORY",
      });
    });
  });

  it("refuses a draft model that does not fit beside the model, before either is loaded", async () => {
    const args = [compiledCommand(), "complete", model, "-p", "Once", "--max-tokens", "4", "--context-size", "512"];
    const limited = ["prlimit", "--data=330000000", process.execPath, ...args];
    expect(await run(limited)).toMatchObject({ code: 0 });
    expect(await run([...limited, "--draft-model", model])).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^llama-native: A context of 512 tokens .* and one for the draft model takes /),
    });
  });

  it("refuses embeddings that cannot fit, and makes those that do", async () => {
    const embed = `
      const { loadModel } = await import(process.env.LIBRARY);
      const model = await loadModel(process.env.MODEL);
      const tried = await model.embed("word ".repeat(8000)).catch(({ code, message }) => ({ code, message }));
      console.log(JSON.stringify([tried, (await model.embed("word")).length]));
      await model.dispose();`;
    const env = { LIBRARY: pathToFileURL(compiledLibrary()).href, MODEL: await tinyModel() };
    const runWith = async (bytes: number): Promise<unknown> => {
      const args = [`--data=${bytes}`, process.execPath, "--input-type=module", "--eval", embed];
      const { code, stdout, stderr } = await run(["prlimit", ...args], env);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return JSON.parse(stdout);
    };
    // Logits of so many tokens would take 2 GB.
    expect(await runWith(900_000_000)).toEqual([expect.objectContaining({ 0: expect.any(Number) }), 256]);
    expect(await runWith(300_000_000)).toEqual([
      {
        code: "INSUFFICIENT_MEMORY",
        message: expect.stringMatching(/^An embedding of a text of \d+ tokens takes \d+ MB, but \d+ MB are available/),
      },
      256,
    ]);
  });
});
