// A context as large as fits in memory, in the finest KV cache in which it does; `fit` tells what was chosen and why.
import { loadModel } from "llama-native";

const model = await loadModel(process.argv[2] ?? "smollm2", {
  onDownload: ({ file, bytes, totalBytes }) => console.log(`${file}: ${Math.floor((100 * bytes) / totalBytes)} %`),
});
const context = await model.createContext({ contextSize: "auto", kvType: "auto" });
console.log(context.fit?.reason);
await model.dispose();
