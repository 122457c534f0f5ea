import type { ServerOptions } from "../../server/index.js";
import type { FlagsFor } from "./flag-table.js";
import { number } from "./values.js";

const several = (texts: readonly string[]): readonly string[] => texts;
const origins = (texts: readonly string[]): true | readonly string[] => texts.includes("*") || texts;

export const serveFlags = {
  port: { value: "<port>", parse: number, help: "0 takes a free one (8000)" },
  host: { value: "<address>", help: "to listen at; 0.0.0.0 lets other machines in (127.0.0.1)" },
  cors: {
    name: "cors-origin",
    value: "<origin>",
    parseAll: origins,
    help: "whose web pages may use it, * for all; repeatable",
  },
  allowedHosts: { name: "allowed-host", value: "<name>", parseAll: several, help: "it may be reached by; repeatable" },
  maxBodyBytes: { value: "<bytes>", parse: number, help: "of a request at most (16777216)" },
  timeLimitMs: { value: "<milliseconds>", parse: number, help: "for one request; 0 is none (600000)" },
  keepAliveMs: { value: "<milliseconds>", parse: number, help: "between signs of life in silent streams (10000)" },
  stallMs: { value: "<milliseconds>", parse: number, help: "that a client may take nothing of its stream (30000)" },
  maxRequests: { value: "<count>", parse: number, help: "in work and waiting, of all models (512)" },
  loadOnDemand: { help: "load models when they are first asked for" },
  memoryBudgetBytes: {
    name: "memory-budget",
    value: "<bytes>",
    parse: number,
    help: "of RAM, of all loaded models (no limit)",
  },
  idleUnloadMs: { value: "<milliseconds>", parse: number, help: "after which an unused model goes; 0 is never (0)" },
  models: null,
  apiKeys: null,
  defaults: null,
  contentFilter: null,
  log: null,
} satisfies FlagsFor<ServerOptions>;
