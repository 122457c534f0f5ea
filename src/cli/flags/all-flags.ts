import { contextFlags } from "./context-flags.js";
import type { FlagTable } from "./flag-table.js";
import { loadFlags } from "./load-flags.js";
import { sendFlags, sessionFlags, textPromptFlags } from "./prompt-flags.js";
import { requestFlags } from "./request-flags.js";
import { samplingFlags } from "./sampling-flags.js";
import { serveFlags } from "./serve-flags.js";

/** For messages of the library, which name an option without saying whose it is. */
export const allFlags: readonly FlagTable[] = [
  loadFlags,
  contextFlags,
  samplingFlags,
  requestFlags,
  sessionFlags,
  sendFlags,
  textPromptFlags,
  serveFlags,
];
