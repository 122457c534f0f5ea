// What bundles are made of, for tests and for the proof of runtimes: it loads the model that MODEL names, generates, answers a request of
// the server, and prints tokens, status and version, or the error.

export const BUNDLED_PROGRAM = `import { loadModel } from "llama-native";
import { createFetchHandler } from "llama-native/server";
async function main() {
  const model = await loadModel(process.env.MODEL);
  const context = await model.createContext({ contextSize: 512 });
  const { usage } = await context.generate({ prompt: "x", maxTokens: 3, ignoreEos: true });
  const handler = createFetchHandler({ models: { source: context, name: "tiny" } });
  await handler.ready;
  const { info } = await (await handler("http://localhost/openapi.json")).json();
  const body = JSON.stringify({ prompt: "x", max_tokens: 2 });
  const headers = { "content-type": "application/json" };
  const { status } = await handler("http://localhost/v1/completions", { method: "POST", headers, body });
  await handler.close();
  await model.dispose();
  console.log(usage.completionTokens, status, info.version);
}
main().catch(({ code, message }) => console.log(code, message));`;
