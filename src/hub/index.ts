export { cacheDirectory, modelsDirectory } from "./cache.js";
export { resolveModel, type ResolveOptions } from "./resolve.js";
