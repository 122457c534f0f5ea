// A conversation of ten turns, through each program's own interface for chats.
//
// The history grows, and a turn should cost its own tokens only: what a program evaluates again shows in the time to the
// first token, and grows from turn to turn. The model is a real one, as text that means nothing cannot be cut into the
// same tokens again, which programs do with the history.

import { median } from "../lib/statistics.mjs";

/** @type {import("../lib/workload.js").Workload<{ turns: number, tokens: number }>} */
export const workload = {
  title: "A chat of ten turns",
  about: "Ten questions, each answered greedily with at most 64 tokens by SmolLM2-135M-Instruct.",
  programs: ["ours", "llama-server", "node-llama-cpp"],
  variants: true,
  metrics: {
    seconds: { label: "wall, s", better: "less", digits: 2 },
    medianFirstTokenMs: { label: "first token (median), ms", better: "less", digits: 0 },
    lastFirstTokenMs: { label: "first token (last turn), ms", better: "less", digits: 0 },
    tokens: { label: "tokens answered", better: "more", digits: 0 },
  },
  cases: ({ quick }) => [
    {
      name: quick ? "three turns" : "ten turns",
      model: "smollm2",
      turns: quick ? 3 : 10,
      tokens: quick ? 16 : 64,
      contextSize: 4096,
      sequences: 1,
    },
  ],
};

const QUESTIONS = [
  "Explain in a few sentences why the sky is blue on a clear day and red in the evening.",
  "Tell me a story about a fisherman who finds an old map in a bottle.",
  "What should I pack for a week of hiking in the mountains in autumn?",
  "Describe how bread is made, from the grain to the loaf.",
  "What are the differences between a lake, a river and a sea?",
  "Write a short letter to a friend who has moved to another country.",
  "How does a bicycle stay upright while it moves?",
  "List some reasons why people learn to play a musical instrument.",
  "Describe a busy market in the morning, with its smells and sounds.",
  "Give me advice on how to begin a garden on a small balcony.",
];

/**
 * @param {import("../lib/workload.js").ProgramSide} program
 * @param {import("../lib/workload.js").Job<{ turns: number, tokens: number }>} job
 * @returns {Promise<import("../lib/workload.js").Measured>}
 */
export async function measure(program, job) {
  const { turns, tokens: maxTokens } = job.case;
  const chat = await program.openChat(job);
  const firstTokens = [];
  const answered = [];
  const started = performance.now();
  for (const question of QUESTIONS.slice(0, turns)) {
    const asked = performance.now();
    let firstToken = NaN;
    answered.push(
      await chat.send(question, { maxTokens, onFirstToken: () => (firstToken = performance.now() - asked) }),
    );
    firstTokens.push(firstToken);
  }
  const seconds = (performance.now() - started) / 1000;
  await chat.close();
  return {
    metrics: {
      seconds,
      medianFirstTokenMs: median(firstTokens),
      lastFirstTokenMs: firstTokens[firstTokens.length - 1],
      tokens: answered.reduce((sum, count) => sum + count, 0),
    },
    details: { firstTokens, answered },
  };
}
