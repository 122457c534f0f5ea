import { createContext, load } from "./library.mjs";

/**
 * @param {import("../../lib/workload.js").Job} job
 * @returns {Promise<import("../../lib/workload.js").Engine>}
 */
export async function open(job) {
  const { library, llama, model } = await load(job);
  const context = await createContext(model, job);
  const free = Array.from({ length: context.totalSequences }, () => context.getSequence());
  const decodes = countDecodes(context);
  const engine = { library, llama, model };
  let threads = 0;
  return {
    pid: process.pid,
    get threads() {
      return threads;
    },
    async generate(prompt, options) {
      const sequence = free.shift();
      if (sequence === undefined) throw new Error("More requests at once than sequences");
      try {
        return await generate(engine, sequence, prompt, options);
      } finally {
        threads = Math.max(threads, context.currentThreads);
        free.push(sequence);
      }
    },
    steps: async () => decodes(),
    close: () => llama.dispose(),
  };
}

/**
 * A stream of text and a prompt that can be stopped need the completion interface; tokens alone come straight from the
 * sequence, which is the fastest way there is.
 * @param {{ library: any, llama: any, model: any }} engine
 * @param {any} sequence
 * @param {import("../../lib/prompts.mjs").Prompt} prompt
 * @param {import("../../lib/workload.js").GenerateOptions} options
 */
async function generate(engine, sequence, { tokens }, options) {
  if (options.cancelPrompt || options.onText !== undefined) return complete(engine, sequence, tokens, options);
  const { maxTokens, grammar, signal, onTokens } = options;
  const state = grammar === undefined ? undefined : await grammarState(engine, grammar);
  // What the sequence still has of the prompt is not evaluated again; one token must be left to evaluate.
  await sequence.adaptStateToTokens(tokens.slice(0, -1), false);
  const rest = tokens.slice(sequence.nextTokenIndex);
  const generated = [];
  for await (const token of sequence.evaluate(rest, { grammarEvaluationState: state, yieldEogToken: true })) {
    generated.push(token);
    onTokens?.(1);
    if (generated.length === maxTokens || signal?.aborted) break;
  }
  return generated.length;
}

/**
 * @param {{ library: any, model: any }} engine
 * @param {any} contextSequence
 * @param {number[]} tokens
 * @param {import("../../lib/workload.js").GenerateOptions} options
 */
async function complete({ library }, contextSequence, tokens, { maxTokens, signal, onText, onTokens }) {
  const completion = new library.LlamaCompletion({ contextSequence });
  let count = 0;
  const onToken = (/** @type {number[]} */ arrived) => {
    count += arrived.length;
    onTokens?.(arrived.length);
  };
  try {
    await completion.generateCompletion(tokens, { maxTokens, signal, onTextChunk: onText, onToken });
  } catch (error) {
    if (!signal?.aborted) throw error;
  } finally {
    completion.dispose();
  }
  return count;
}

/** @param {{ library: any, llama: any, model: any }} engine @param {string} grammar */
async function grammarState({ library, llama, model }, grammar) {
  return new library.LlamaGrammarEvaluationState({ model, grammar: await llama.createGrammar({ grammar }) });
}

/**
 * The library tells no batch sizes, so that its calls of llama.cpp are counted.
 * @param {any} context
 * @returns {() => { steps: number, requests: number } | null}
 */
function countDecodes(context) {
  const binding = context._ctx;
  if (typeof binding?.decodeBatch !== "function" || typeof binding.addToBatch !== "function") return () => null;
  let [steps, requests] = [0, 0];
  watch(binding, "decodeBatch", () => (steps += 1));
  watch(binding, "addToBatch", () => (requests += 1));
  return () => ({ steps, requests });
}

/** @param {any} object @param {string} method @param {() => void} onCall */
function watch(object, method, onCall) {
  const original = object[method];
  // The class's methods are read-only.
  Object.defineProperty(object, method, {
    value(/** @type {unknown[]} */ ...args) {
      onCall();
      return original.apply(object, args);
    },
  });
}
