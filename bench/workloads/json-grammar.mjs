// JSON by a grammar: answers that a program reads.
//
// Each token must fit the grammar, which is tried on the CPU between two steps, token after token. The same model without
// a grammar is measured beside it, as the difference is what the grammar costs. The list has no end, so that every program
// generates the same number of tokens.

import { stream, WARM_UP_PROMPT, warmUp } from "../lib/streams.mjs";

const GRAMMAR = String.raw`root ::= "[" (object ", ")+
object ::= "{\"name\": " string ", \"age\": " number ", \"tags\": [" string ", " string "], \"active\": " boolean "}"
string ::= "\"" [A-Za-z0-9 ]{1,16} "\""
number ::= [0-9]{1,2} ("." [0-9]{1,2})?
boolean ::= "true" | "false"`;

/** @type {import("../lib/workload.js").Workload<{ tokens: number }>} */
export const workload = {
  title: "JSON by a grammar",
  about:
    "One stream of SmolLM2-135M-Instruct whose text follows a GBNF grammar for a list of objects, and one without.",
  programs: ["ours", "llama-server", "node-llama-cpp"],
  variants: true,
  metrics: {
    tokensPerSecond: { label: "tokens/s", better: "more", digits: 1 },
    plainTokensPerSecond: { label: "without grammar, tokens/s", better: "more", digits: 1 },
    millisecondsForGrammar: { label: "the grammar's part, ms a token", better: "less", digits: 2 },
  },
  cases: ({ quick }) => [
    {
      name: "a list of objects",
      model: "smollm2",
      tokens: quick ? 24 : 192,
      prompts: [WARM_UP_PROMPT, { tokens: 32, seed: 1 }],
      contextSize: 1024,
      sequences: 1,
    },
  ],
};

/**
 * @param {import("../lib/workload.js").ProgramSide} program
 * @param {import("../lib/workload.js").Job<{ tokens: number }>} job
 * @returns {Promise<import("../lib/workload.js").Measured>}
 */
export async function measure(program, job) {
  const [warmUpPrompt, prompt] = job.prompts;
  const maxTokens = job.case.tokens;
  const engine = await program.open(job);
  await warmUp(engine, warmUpPrompt);
  const plain = await rate(engine, prompt, { maxTokens });
  const constrained = await rate(engine, prompt, { maxTokens, grammar: GRAMMAR });
  const { threads } = engine;
  await engine.close();
  return {
    metrics: {
      tokensPerSecond: constrained,
      plainTokensPerSecond: plain,
      millisecondsForGrammar: 1000 / constrained - 1000 / plain,
    },
    details: { threads },
  };
}

/**
 * @param {import("../lib/workload.js").Engine} engine
 * @param {import("../lib/prompts.mjs").Prompt} prompt
 * @param {import("../lib/workload.js").GenerateOptions} options
 */
async function rate(engine, prompt, options) {
  const { times } = await stream(engine, prompt, options);
  return ((times.length - 1) * 1000) / (times[times.length - 1] - times[0]);
}
