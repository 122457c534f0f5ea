// node-llama-cpp with its prebuilt binary for this CPU: it never builds or downloads one here.

/**
 * @param {import("../../lib/workload.js").Job} job
 */
export async function load({ modelPath }) {
  process.env.NODE_LLAMA_CPP_SKIP_DOWNLOAD = "true";
  const name = "node-llama-cpp";
  const library = await import(name);
  const llama = await library.getLlama({ gpu: false, build: "never", logLevel: "error", progressLogs: false });
  const model = await llama.loadModel({ modelPath });
  return { library, llama, model };
}

/**
 * Each sequence has a context of its own size there.
 * @param {any} model
 * @param {import("../../lib/workload.js").Job} job
 */
export function createContext(model, { program, case: { contextSize, sequences = 1, kvType } }) {
  const type = kvType?.toUpperCase();
  return model.createContext({
    sequences,
    ...(contextSize === undefined ? {} : { contextSize: Math.ceil(contextSize / sequences) }),
    ...(program.threads === null ? {} : { threads: program.threads }),
    ...(type === undefined ? {} : { experimentalKvCacheKeyType: type, experimentalKvCacheValueType: type }),
  });
}
