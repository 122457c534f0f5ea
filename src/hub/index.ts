export { cacheDirectory, modelsDirectory } from "./cache.js";
export type { KnownModel } from "./catalogue.js";
export { findModel, knownModels } from "./catalogue.js";
export { identifyModel, type ModelIdentity } from "./names.js";
export type { FetchOptions } from "./fetch-options.js";
export { resolveModel } from "./resolve.js";
