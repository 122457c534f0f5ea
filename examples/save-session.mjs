// A conversation is saved as JSON and goes on later, in another process if need be.
import { ChatSession, loadModel } from "llama-native";

const model = await loadModel(process.argv[2] ?? "smollm2");
const context = await model.createContext();

const chat = context.createChat({ system: "You are a helpful assistant." });
await chat.send("What is the capital of Japan?", { temperature: 0 });
const saved = JSON.stringify(chat);

const restored = ChatSession.fromJSON(JSON.parse(saved), { context });
const { text } = await restored.send("And of Italy?", { temperature: 0 });
console.log(text);
await model.dispose();
