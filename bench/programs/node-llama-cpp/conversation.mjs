import { createContext, load } from "./library.mjs";

/**
 * @param {import("../../lib/workload.js").Job} job
 * @returns {Promise<import("../../lib/workload.js").Chat>}
 */
export async function openChat(job) {
  const { library, llama, model } = await load(job);
  const context = await createContext(model, job);
  // It would give the conversation a system text of its own, which the other programs do not.
  const session = new library.LlamaChatSession({ contextSequence: context.getSequence(), systemPrompt: "" });
  return {
    async send(message, { maxTokens, onFirstToken }) {
      let count = 0;
      const onToken = (/** @type {number[]} */ tokens) => {
        if (count === 0) onFirstToken();
        count += tokens.length;
      };
      await session.prompt(message, { maxTokens, temperature: 0, onToken });
      return count;
    },
    close: () => llama.dispose(),
  };
}
