// Loads each file it is told to, generates a few tokens where that succeeds, and reports what came of it.

const { LlamaError, loadModel } = await import(process.env.LIBRARY ?? "llama-native");

process.on("message", (/** @type {{ path: string }} */ { path }) => {
  void attempt(path).then((report) => process.send?.(report));
});

/** @param {string} path */
async function attempt(path) {
  let loaded = false;
  try {
    const model = await loadModel(path);
    loaded = true;
    try {
      const context = await model.createContext({ contextSize: 128, sequences: 1, threads: 1 });
      const { usage } = await context.generate({ tokens: [0], maxTokens: 4, temperature: 0 });
      return { loaded, error: null, generatedTokens: usage.completionTokens };
    } finally {
      await model.dispose();
    }
  } catch (error) {
    const { name, message, stack } = /** @type {Error} */ (error);
    const code = error instanceof LlamaError ? error.code : null;
    return { loaded, error: { typed: error instanceof LlamaError, name, code, message, stack }, generatedTokens: 0 };
  }
}
