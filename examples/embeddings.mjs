// Embeddings, normalized: their dot product is the cosine similarity.
import { loadModel } from "llama-native";

const model = await loadModel(process.argv[2] ?? "smollm2");
const texts = ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "The stock market fell today."];
const [cat, kitten, market] = await model.embed(texts);

const similarity = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
console.log(`cat and kitten: ${similarity(cat, kitten).toFixed(2)}`);
console.log(`cat and market: ${similarity(cat, market).toFixed(2)}`);
await model.dispose();
