import { startServer } from "./server.mjs";

/**
 * @param {import("../../lib/workload.js").Job} job
 * @returns {Promise<import("../../lib/workload.js").Chat>}
 */
export async function openChat(job) {
  const server = await startServer(job);
  /** @type {{ role: string, content: string }[]} */
  const messages = [];
  return {
    async send(message, { maxTokens, onFirstToken }) {
      messages.push({ role: "user", content: message });
      let [text, tokens] = ["", 0];
      const onEvent = (/** @type {any} */ event) => {
        const piece = event.choices?.[0]?.delta?.content ?? "";
        if (piece !== "" && text === "") onFirstToken();
        text += piece;
        tokens = event.timings?.predicted_n ?? tokens;
      };
      const body = { messages, max_tokens: maxTokens, temperature: 0, cache_prompt: true, stream: true };
      await server.ask("/v1/chat/completions", { body, onEvent });
      messages.push({ role: "assistant", content: text });
      return tokens;
    },
    close: () => server.close(),
  };
}
