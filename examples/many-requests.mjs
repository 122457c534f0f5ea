// Any number of requests at once: they share every step of the engine, and what their prompts have in common.
import { loadModel } from "llama-native";

const model = await loadModel(process.argv[2] ?? "smollm2");
const context = await model.createContext({ contextSize: 4096, sequences: 8 });

const countries = ["France", "Italy", "Germany", "Spain", "Austria", "Portugal"];
const answers = await Promise.all(
  countries.map((country) =>
    context.generate({ prompt: `The capital of ${country} is`, temperature: 0, maxTokens: 8, stop: "." }),
  ),
);
for (const [index, { text }] of answers.entries()) console.log(`${countries[index]}:${text}`);

const { steps, stepRequests } = context.stats();
console.log(`${(stepRequests / steps).toFixed(1)} requests a step on average`);
await model.dispose();
