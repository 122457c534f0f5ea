import { loadModel } from "../../../dist/index.js";

/**
 * @param {import("../../lib/workload.js").Job} job
 * @returns {Promise<import("../../lib/workload.js").Chat>}
 */
export async function openChat({ modelPath, program, case: { contextSize } }) {
  const model = await loadModel(modelPath);
  const context = await model.createContext({ contextSize, sequences: 1, threads: program.threads ?? 0 });
  const chat = context.createChat();
  return {
    async send(message, { maxTokens, onFirstToken }) {
      let seen = false;
      const onToken = () => {
        if (!seen) onFirstToken();
        seen = true;
      };
      const { usage } = await chat.send(message, { maxTokens, temperature: 0, onToken });
      return usage.completionTokens;
    },
    close: () => model.dispose(),
  };
}
