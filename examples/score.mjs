// Low level: evaluate tokens by hand and read the logits; a fork shares what both have in common.
import { loadModel } from "llama-native";

const model = await loadModel(process.argv[2] ?? "smollm2");
const context = await model.createContext();
const { tokenizer } = model;

const question = await context.sequence();
await question.evaluate(tokenizer.encode("Q: Is the sun hot? A: The sun is very"));

for (const answer of [" hot", " cold", " blue"]) {
  const [token] = tokenizer.encode(answer);
  console.log(`${answer.trim()}: ${question.logits[token].toFixed(1)}`);
}

const fork = await question.fork();
await fork.evaluate(tokenizer.encode(" hot"));
console.log(`the fork has ${fork.length} tokens, the question still ${question.length}`);
await model.dispose();
