// OpenAI's API on this machine: any client works, over a socket or, as here at the end, without one.
import { createFetchHandler, createServer } from "llama-native/server";

const model = process.argv[2] ?? "smollm2";
const body = JSON.stringify({
  messages: [
    { role: "system", content: "You are a helpful assistant." },
    { role: "user", content: "What is the capital of Japan?" },
  ],
  temperature: 0,
});
const request = { method: "POST", headers: { "content-type": "application/json" }, body };

const server = await createServer({ models: model, port: 0 }); // the default port is 8000
await server.ready;
const response = await fetch(`${server.url}/v1/chat/completions`, request);
console.log((await response.json()).choices[0].message.content);
const texts = { input: ["A cat sleeps on the sofa.", "A kitten naps on the couch."] };
const embeddings = await fetch(`${server.url}/v1/embeddings`, { ...request, body: JSON.stringify(texts) });
console.log((await embeddings.json()).data.length, "vectors");
await server.close();

// The same as a function, for a framework's routes or as the `fetch` of a client.
const handler = createFetchHandler({ models: model });
await handler.ready;
const answer = await handler("http://model/v1/chat/completions", request);
console.log((await answer.json()).usage.total_tokens, "tokens");
await handler.close();
