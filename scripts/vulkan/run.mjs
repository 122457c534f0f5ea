// One run of the proof, in a process of its own: a model on devices as asked, and what it says. The order comes as JSON in the
// first argument; logits go to a file, the rest to standard output as one line of JSON, and ggml's log to standard error.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageDir } from "../lib/paths.mjs";

/**
 * @typedef {object} Order
 * @property {string} model
 * @property {import("../../src/index.js").LoadModelOptions} load
 * @property {import("../../src/index.js").ContextOptions} [context]
 * @property {string[]} [prompts] answered greedily, all at once
 * @property {number} [maxTokens] of each answer
 * @property {number} [cancelAfter] tokens of the first prompt after which that is cancelled
 * @property {string[]} [embed] texts
 * @property {string} [text] evaluated in a sequence of its own
 * @property {string} [logits] file for those of each of its positions
 *
 * @typedef {object} Findings
 * @property {number[][]} tokens
 * @property {number[][]} embeddings
 * @property {string | null} cancelled the reason that a cancelled request ended with
 * @property {string[]} devices
 * @property {number} gpuLayers
 * @property {string} reason
 * @property {{ weightBytes: number, shares: readonly import("../../src/index.js").MemoryShare[] }} memory that is estimated: of
 *   weights on devices, and of the context by where it is
 * @property {number} layerCount
 * @property {number} vocabularySize
 *
 * @typedef {{ code: string, message: string }} Failure
 */

/** @type {{ loadModel: typeof import("../../src/index.js").loadModel, systemInfo: typeof import("../../src/index.js").systemInfo }} */
const { loadModel, systemInfo } = await import(pathToFileURL(join(packageDir, "dist", "index.js")).href);
/** @type {Order} */
const order = JSON.parse(process.argv[2] ?? "");
console.log(JSON.stringify(await carryOut(order).catch(describe)));
// Mesa's software driver may crash while it is torn down, after all that was asked of it; that is not what is looked at.
process.kill(process.pid, "SIGKILL");

/** @param {Order} order @returns {Promise<Findings>} */
async function carryOut({ model: path, load, context: options, text, embed = [], ...request }) {
  const model = await loadModel(path, load);
  const context = await model.createContext({ contextSize: 1024, sequences: 4, kvType: "f16", ...options });
  const cancelled = request.cancelAfter === undefined ? null : await cancel(context, request);
  const tokens = await answer(context, request);
  if (text !== undefined) await evaluate(model, context, text);
  const embeddings = embed.length === 0 ? [] : (await model.embed(embed)).map((vector) => [...vector]);
  const { gpuLayers = 0, reason = "", weightBytes = 0 } = model.fit ?? {};
  const memory = { weightBytes, shares: context.fit?.shares ?? [] };
  const devices = systemInfo(load.gpu).devices.map(({ name, description }) => `${name}: ${description}`);
  const { layerCount, vocabularySize } = model.info;
  return { tokens, embeddings, cancelled, devices, gpuLayers, reason, memory, layerCount, vocabularySize };
}

/** @param {import("../../src/index.js").LlamaContext} context @param {Pick<Order, "prompts" | "maxTokens">} request */
async function answer(context, { prompts = [], maxTokens = 12 }) {
  const answers = prompts.map((prompt) => context.generate({ prompt, temperature: 0, maxTokens, ignoreEos: true }));
  return (await Promise.all(answers)).map((result) => [...result.tokens]);
}

/** @param {import("../../src/index.js").LlamaContext} context @param {Pick<Order, "prompts" | "cancelAfter">} request */
async function cancel(context, { prompts: [prompt = ""] = [], cancelAfter = 1 }) {
  const controller = new AbortController();
  let count = 0;
  const onToken = () => {
    if (++count === cancelAfter) controller.abort(new Error("enough"));
  };
  const generation = context.generate({
    prompt,
    temperature: 0,
    maxTokens: 900,
    ignoreEos: true,
    signal: controller.signal,
    onToken,
  });
  return await generation.then(
    () => "it was not cancelled",
    (/** @type {unknown} */ error) => (error instanceof Error ? error.message : String(error)),
  );
}

/** @param {import("../../src/index.js").LlamaModel} model @param {import("../../src/index.js").LlamaContext} context @param {string} text */
async function evaluate(model, context, text) {
  const sequence = await context.sequence();
  const ids = model.tokenizer.encode(text, { addSpecial: true });
  const rows = await sequence.evaluate(ids, { logits: order.logits === undefined ? "last" : "all" });
  if (rows === null) throw new Error("Expected logits");
  if (order.logits !== undefined) writeFileSync(order.logits, rows);
}

/** @param {unknown} error @returns {Failure} */
function describe(error) {
  const { code = "none", message = String(error) } = /** @type {Partial<Failure>} */ (error);
  return { code, message };
}
