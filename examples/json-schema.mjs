// A JSON schema makes the model answer with JSON of that form. What it is to be about, the prompt has to say.
import { loadModel } from "llama-native";

const model = await loadModel(process.argv[2] ?? "smollm2");
const context = await model.createContext();

const { text } = await context.generate({
  messages: [{ role: "user", content: "Describe Paris as JSON: its name, its country and some of its sights." }],
  jsonSchema: {
    type: "object",
    properties: {
      name: { type: "string", maxLength: 30 },
      country: { type: "string", maxLength: 30 },
      sights: { type: "array", items: { type: "string", maxLength: 40 }, minItems: 1, maxItems: 3 },
    },
    required: ["name", "country", "sights"],
    additionalProperties: false,
  },
  temperature: 0,
});
console.log(JSON.parse(text));
await model.dispose();
