// A conversation: the answer streams, and the second turn evaluates only its own tokens.
import { loadModel } from "llama-native";

const model = await loadModel(process.argv[2] ?? "smollm2");
const chat = model.createChat({ system: "You are a helpful assistant." });

for await (const text of chat.send("What is the capital of Japan?", { temperature: 0 })) process.stdout.write(text);
console.log();

const { text, usage } = await chat.send("And of Italy?", { temperature: 0 });
console.log(text);
console.log(`${usage.cachedTokens} of ${usage.promptTokens} prompt tokens came from the cache`);

await model.dispose();
