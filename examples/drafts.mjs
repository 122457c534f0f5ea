// Drafts from the prompt: the same text sooner, where the answer repeats what was asked.
import { loadModel } from "llama-native";

const model = await loadModel(process.argv[2] ?? "smollm2");
const context = await model.createContext();
const verse =
  "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is but a dream.\n";
const request = { prompt: verse.repeat(4), temperature: 0, maxTokens: 96 };

const plain = await context.generate(request);
const drafted = await context.generate({ ...request, promptLookup: true });
const { draftedTokens, acceptedTokens } = drafted.usage;
console.log(`${acceptedTokens} of ${draftedTokens} drafted tokens were right`);
console.log(drafted.text === plain.text ? "the same text" : "another text");
await model.dispose();
