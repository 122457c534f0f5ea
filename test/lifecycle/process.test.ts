import { beforeAll, describe, expect, test } from "vitest";

import { runProgram } from "../support/compiled.js";
import { model125m, tinyModel } from "../support/models.js";

const values = { MODEL: "", LARGER: "" };

beforeAll(async () => {
  values.MODEL = await tinyModel();
  values.LARGER = await model125m();
});

const load = `
  const { loadModel } = await import(process.env.LIBRARY);
  const model = await loadModel(process.env.MODEL);
  const context = await model.createContext({ contextSize: 2048, sequences: 4 });
  const endless = { prompt: "Hello", ignoreEos: true, maxTokens: 1900 };
  const streaming = (generation) => generation[Symbol.asyncIterator]().next();
`;

describe("a process", () => {
  test("ends by itself while an undisposed model, context, sequence and chat are idle", async () => {
    const outcome = await runProgram(
      `${load}
      const sequence = await context.sequence();
      await sequence.evaluate([1, 2, 3]);
      const chat = model.createChat();
      await chat.send("Hi", { maxTokens: 3 });
      await context.generate({ prompt: "Hello", maxTokens: 5, ignoreEos: true });
      console.log("idle");`,
      values,
    );
    expect(outcome).toMatchObject({ end: 0, stdout: "idle\n", stderr: "" });
  });

  test("stays until a generation that nobody awaits has ended", async () => {
    const outcome = await runProgram(
      `${load}
      context.generate({ ...endless, maxTokens: 50 }).then(({ tokens }) => console.log(tokens.length));`,
      values,
    );
    expect(outcome).toMatchObject({ end: 0, stdout: "50\n", stderr: "" });
  });

  test.each([
    [
      "in mid-stream",
      "const generations = [1, 2, 3].map(() => context.generate(endless)); await streaming(generations[0]);",
    ],
    [
      "in a long prompt",
      "context.generate({ tokens: new Int32Array(1800).fill(500) }); await new Promise((r) => setTimeout(r, 15));",
    ],
    ["while a context is made", "model.createContext({ contextSize: 32768 });"],
    ["while it disposes", "context.generate(endless); context.dispose();"],
    ["while a model loads", "loadModel(process.env.LARGER);"],
    [
      "while a model loads with progress",
      "await new Promise((r) => loadModel(process.env.LARGER, { onProgress: r }));",
    ],
    ["while text is tokenized", 'model.tokenizer.encodeAsync("word ".repeat(300_000));'],
    ["while a sequence evaluates", "(await context.sequence()).evaluate(new Int32Array(1500).fill(500));"],
    ["while embeddings are made", 'model.embed(["one", "two"]);'],
  ])("may call process.exit() %s", async (_when, doing) => {
    const outcome = await runProgram(`${load} ${doing}; process.exit(7);`, values);
    expect(outcome).toMatchObject({ end: 7, stderr: "" });
    expect(outcome.milliseconds).toBeLessThan(20_000);
  });

  test.each([
    ["calls process.exit() itself", "process.exit(7);", 7],
    ["throws", 'throw new Error("on purpose");', 7],
  ])("has no engine left when a listener of its end %s", async (_what, doing, end) => {
    const outcome = await runProgram(
      `let context;
      process.on("exit", () => { console.log(context.stats().running); ${doing} });
      const { loadModel } = await import(process.env.LIBRARY);
      context = await (await loadModel(process.env.MODEL)).createContext({ contextSize: 2048, sequences: 4 });
      const generations = [1, 2, 3].map(() => context.generate({ prompt: "Hello", ignoreEos: true, maxTokens: 1900 }));
      await generations[0][Symbol.asyncIterator]().next();
      process.exit(7);`,
      values,
    );
    expect(outcome).toMatchObject({ end, stdout: "0\n" });
  });

  test("may die of an exception in mid-stream", async () => {
    const outcome = await runProgram(
      `${load} const generation = context.generate(endless); await streaming(generation); throw new Error("on purpose");`,
      values,
    );
    expect(outcome.end).toBe(1);
    expect(outcome.stderr).toContain("on purpose");
  });

  test("an error thrown by a load's callback rejects the load", async () => {
    const outcome = await runProgram(
      `const { loadModel } = await import(process.env.LIBRARY);
      const onProgress = () => { throw new Error("on purpose"); };
      await loadModel(process.env.MODEL, { onProgress }).catch((error) => console.log("rejected:", error.message));`,
      values,
    );
    expect(outcome).toMatchObject({ end: 0, stdout: "rejected: on purpose\n", stderr: "" });
  });

  test("may garbage-collect everything it did not dispose", async () => {
    const outcome = await runProgram(
      `const { loadModel } = await import(process.env.LIBRARY);
      for (let i = 0; i < 5; i++) {
        const model = await loadModel(process.env.MODEL);
        const context = await model.createContext({ contextSize: 512 });
        await context.generate({ prompt: "Hello", maxTokens: 3, ignoreEos: true });
      }
      for (let i = 0; i < 5; i++) { globalThis.gc(); await new Promise((r) => setTimeout(r, 10)); }
      console.log("done");`,
      values,
      { nodeOptions: ["--expose-gc"] },
    );
    expect(outcome).toMatchObject({ end: 0, stdout: "done\n", stderr: "" });
  });
});

test("a load goes on though nobody keeps anything of it", async () => {
  const outcome = await runProgram(
    `const { loadModel } = await import(process.env.LIBRARY);
    const collect = setInterval(() => globalThis.gc(), 1);
    const model = await loadModel(process.env.LARGER);
    clearInterval(collect);
    console.log(model.info.layerCount);`,
    values,
    { nodeOptions: ["--expose-gc"] },
  );
  expect(outcome).toMatchObject({ end: 0, stdout: "12\n", stderr: "" });
});

test("require() works", async () => {
  const outcome = await runProgram(
    `const { loadModel } = require(process.env.LIBRARY);
    loadModel(process.env.MODEL).then(async (model) => {
      const context = await model.createContext({ contextSize: 256 });
      const { tokens } = await context.generate({ prompt: "Hello", maxTokens: 3, ignoreEos: true });
      await model.dispose();
      console.log(tokens.length);
    });`,
    values,
    { commonJs: true },
  );
  expect(outcome).toMatchObject({ end: 0, stdout: "3\n" });
});

const workerLoad = `
  const { loadModel } = await import(process.env.LIBRARY);
  const { parentPort } = await import("node:worker_threads");
  const model = await loadModel(process.env.MODEL);
  const context = await model.createContext({ contextSize: 2048 });
  const endless = { prompt: "Hello", ignoreEos: true, maxTokens: 1900 };
`;

function workers(body: string, main: string): string {
  return `
    import { Worker } from "node:worker_threads";
    const source = ${JSON.stringify(workerLoad + body)};
    const start = () => new Worker(new URL("data:text/javascript," + encodeURIComponent(source)));
    const said = (worker) => new Promise((resolve, reject) => { worker.once("message", resolve); worker.once("error", reject); });
    const ended = (worker) => new Promise((resolve) => worker.once("exit", resolve));
    ${main}`;
}

describe("worker threads", () => {
  test("several generate at once and end by themselves", async () => {
    const outcome = await runProgram(
      workers(
        `const { text } = await context.generate({ prompt: "Hello", ignoreEos: true, temperature: 0, maxTokens: 20 });
        parentPort.postMessage(text);`,
        `const all = [start(), start(), start()];
        const exits = all.map(ended);
        const texts = await Promise.all(all.map(said));
        console.log(new Set(texts).size, ...(await Promise.all(exits)));`,
      ),
      values,
    );
    expect(outcome).toMatchObject({ end: 0, stdout: "1 0 0 0\n", stderr: "" });
  });

  test.runIf(process.platform === "linux")("leave the addon in the process, which others may load again", async () => {
    const outcome = await runProgram(
      workers(
        `const { text } = await context.generate({ prompt: "Hello", ignoreEos: true, temperature: 0, maxTokens: 4 });
        parentPort.postMessage(text);`,
        `import { readFileSync } from "node:fs";
        const texts = new Set();
        for (let round = 0; round < 3; round++) {
          const worker = start();
          const exit = ended(worker);
          texts.add(await said(worker));
          await exit;
          console.log(readFileSync("/proc/self/maps", "utf8").includes("llama-native.node"));
        }
        console.log(texts.size);`,
      ),
      values,
    );
    expect(outcome).toMatchObject({ end: 0, stdout: "true\ntrue\ntrue\n1\n", stderr: "" });
  });

  test("may be terminated in mid-stream, while the others and the main thread go on", async () => {
    const outcome = await runProgram(
      workers(
        `for await (const text of context.generate(endless)) parentPort.postMessage(text);`,
        `const { loadModel } = await import(process.env.LIBRARY);
        const model = await loadModel(process.env.MODEL);
        const context = await model.createContext({ contextSize: 512 });
        const own = context.generate({ prompt: "Hello", ignoreEos: true, maxTokens: 100 });
        const all = [start(), start()];
        await Promise.all(all.map(said));
        console.log(...(await Promise.all(all.map((worker) => worker.terminate()))));
        console.log((await own).tokens.length);`,
      ),
      values,
    );
    expect(outcome).toMatchObject({ end: 0, stdout: "1 1\n100\n", stderr: "" });
  });

  test.each([
    ["while loading", 'parentPort.postMessage(""); await loadModel(process.env.LARGER);'],
    [
      "in a long prompt",
      'parentPort.postMessage(""); await context.generate({ tokens: new Int32Array(1800).fill(500) });',
    ],
    ["while tokenizing", 'parentPort.postMessage(""); await model.tokenizer.encodeAsync("word ".repeat(300_000));'],
    ["when idle", 'parentPort.postMessage(""); setInterval(() => {}, 1000);'],
  ])("may be terminated %s", async (_when, body) => {
    const outcome = await runProgram(
      workers(
        body,
        `for (let i = 0; i < 3; i++) {
          const worker = start();
          await said(worker);
          await new Promise((r) => setTimeout(r, i * 10));
          await worker.terminate();
        }
        console.log("alive");`,
      ),
      values,
    );
    expect(outcome).toMatchObject({ end: 0, stdout: "alive\n", stderr: "" });
  });

  test("the process may exit while workers stream", async () => {
    const outcome = await runProgram(
      workers(
        `for await (const text of context.generate(endless)) parentPort.postMessage(text);`,
        `await Promise.all([start(), start()].map(said)); process.exit(3);`,
      ),
      values,
    );
    expect(outcome).toMatchObject({ end: 3, stderr: "" });
  });
});
