export { createServer, type LlamaServer } from "./create-server.js";
export { createFetchHandler, type FetchHandler } from "./create-fetch-handler.js";
export type { HandlerOptions, ServerOptions } from "./server-options.js";
export type { ServedModel } from "./models/served-model.js";
export type { ServerLog } from "./operation/log.js";
export type {
  ContentFilter,
  FilteredPart,
  FilteredRequest,
  FilterVerdict,
  OutputFilter,
} from "./inference/content-filter.js";
