// A grammar (GBNF) makes the model answer in a form a program can read.
import { loadModel } from "llama-native";

const model = await loadModel(process.argv[2] ?? "smollm2");
const context = await model.createContext();

const { text } = await context.generate({
  messages: [{ role: "user", content: "Give me a city and its country as JSON." }],
  grammar: String.raw`
    root ::= "{\"city\": " string ", \"country\": " string "}"
    string ::= "\"" [A-Za-z ]{1,20} "\""`,
  temperature: 0,
});
console.log(JSON.parse(text));
await model.dispose();
