// A prompt's beginning survives in RAM when others need its room in the KV cache.
import { loadModel } from "llama-native";

const model = await loadModel(process.argv[2] ?? "smollm2");
const context = await model.createContext({ contextSize: 768, ramCacheSize: 256e6 });
const manual = (name) => `The manual of ${name}. ${"Press the green button to start it. ".repeat(50)}`;
const ask = (name, question) =>
  context.generate({ prompt: `${manual(name)}\n${question}`, temperature: 0, maxTokens: 8 });

await ask("the washing machine", "How do I start it?");
await ask("the dishwasher", "How do I start it?"); // there is no room for both
const { usage } = await ask("the washing machine", "What colour has the button?");
console.log(`${usage.cachedTokens} of ${usage.promptTokens} prompt tokens came from the cache`);
await model.dispose();
