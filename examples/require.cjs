// From CommonJS.
const { loadModel } = require("llama-native");

async function main() {
  const model = await loadModel(process.argv[2] ?? "smollm2");
  const context = await model.createContext();
  const { text } = await context.generate({ prompt: "The capital of France is", temperature: 0, maxTokens: 2 });
  console.log(text.trim());
  await model.dispose();
}

main();
