// The model asks for a function to be called; the program calls it, and the model answers with what came of it.
import { loadModel } from "llama-native";

const model = await loadModel(process.argv[2] ?? "smollm2");
const context = await model.createContext();

const temperatures = { Tokyo: 21, Rome: 28 };
const functions = { temperature: ({ city }) => `It is ${temperatures[city]} degrees in ${city}.` };
const parameters = { type: "object", properties: { city: { enum: Object.keys(temperatures) } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "temperature", description: "Tells it of a city", parameters } }];

const messages = [
  { role: "system", content: "You are a helpful assistant." },
  { role: "user", content: "How warm is it in Rome?" },
];

// A model as small as this one has to be told that it must; others decide for themselves, which is the default.
const asked = { messages, tools, toolChoice: "required", parallelToolCalls: false, temperature: 0 };
const { toolCalls } = await context.generate(asked);
messages.push({ role: "assistant", toolCalls });
for (const { id, name, arguments: args } of toolCalls) {
  console.log(`${name}(${JSON.stringify(args)})`);
  messages.push({ role: "tool", toolCallId: id, name, content: functions[name](args) });
}

// And helped with its first word.
const { text } = await context.generate({ messages, answerStart: "The", temperature: 0 });
console.log(`The${text}`);
await model.dispose();
