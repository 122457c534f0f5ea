export { cacheDirectory, modelsDirectory } from "./cache.js";
export { knownNames } from "./catalogue.js";
export { resolveModel, type ResolveOptions } from "./resolve.js";
