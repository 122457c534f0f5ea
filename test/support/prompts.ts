/** Conversations that SmolLM2 answers with some certainty, so that greedy answers do not hang on the last bit. */
export const questions = [
  "What is the capital of Japan?",
  "What colour is the sky on a clear day?",
  "How many days does a week have?",
  "Name the first month of the year.",
  "What is the opposite of hot?",
  "Which planet do we live on?",
  "What do bees make?",
  "What is two plus two?",
] as const;

export const system = "You are a helpful assistant.";

export function conversation(question: string): { role: "system" | "user"; content: string }[] {
  return [
    { role: "system", content: system },
    { role: "user", content: question },
  ];
}
