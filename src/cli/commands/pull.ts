import type { Command } from "commander";

import { number } from "../flags/values.js";
import { addVerboseFlag } from "../generation-flags.js";
import { withDownload } from "../open-model.js";
import { writeJson, writeLines } from "../output.js";
import { Stops } from "../stops.js";

interface PullFlags {
  readonly offline?: boolean;
  /** Unchecked here, as the library does that. */
  readonly connections?: number;
  readonly json?: boolean;
}

export function definePull(command: Command): void {
  command
    .option("--connections <count>", "download so many parts at once (4)", number)
    .option("--offline", "ask nothing of the network: fail where the model is not here")
    .option("--json", 'print one JSON document: {"model", "path"}')
    .action((model: string, flags: PullFlags) => Stops.during(({ signal }) => pull(model, flags, signal)));
  addVerboseFlag(command);
}

async function pull(source: string, { offline, connections, json }: PullFlags, signal: AbortSignal): Promise<void> {
  const { pullModel } = await import("../../pull-model.js");
  const path = await withDownload(source, (callbacks) =>
    pullModel(source, { ...callbacks, signal, offline, connections }),
  );
  signal.throwIfAborted();
  if (json === true) writeJson({ model: source, path });
  else writeLines([path]);
}
