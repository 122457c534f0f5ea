// Four ways to stop: leave the loop, call cancel(), abort a signal, or set a timeout.
import { loadModel } from "llama-native";

const model = await loadModel(process.argv[2] ?? "smollm2");
const context = await model.createContext();
const counting = { prompt: "1, 2, 3, 4, 5,", temperature: 0, maxTokens: 1000 };

// By tokens, as pieces of text that a busy program is late for come joined.
for await (const { text } of context.generate(counting).tokens()) {
  process.stdout.write(text);
  if (text.includes("9")) break;
}
console.log();

const generation = context.generate(counting);
setTimeout(() => generation.cancel(), 100);
const { finishReason } = await generation;
console.log(finishReason);

try {
  await context.generate({ ...counting, signal: AbortSignal.timeout(100) });
} catch (error) {
  console.log(error.name);
}

try {
  await context.generate({ ...counting, timeout: 200 });
} catch (error) {
  const { timeoutMs, generatedTokens, text } = error.details;
  console.log(`${error.code}: ${generatedTokens} tokens in ${timeoutMs} ms:${text}`);
}
await model.dispose();
