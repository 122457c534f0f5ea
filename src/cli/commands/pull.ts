import type { Command } from "commander";

import { anInteger } from "../../validate.js";
import { number } from "../flags/values.js";
import { addVerboseFlag } from "../generation-flags.js";
import { withDownload } from "../open-model.js";
import { writeJson, writeLines } from "../output.js";
import { Stops } from "../stops.js";

interface PullFlags {
  readonly offline?: boolean;
  readonly connections?: string;
  readonly json?: boolean;
}

const mostConnections = 16;

export function definePull(command: Command): void {
  command
    .option("--connections <count>", "download so many parts at once (4)")
    .option("--offline", "ask nothing of the network: fail where the model is not here")
    .option("--json", 'print one JSON document: {"model", "path"}')
    .action((model: string, flags: PullFlags) => Stops.during(({ signal }) => pull(model, flags, signal)));
  addVerboseFlag(command);
}

async function pull(source: string, { offline, connections, json }: PullFlags, signal: AbortSignal): Promise<void> {
  const count =
    connections === undefined ? undefined : anInteger(1, mostConnections)(number(connections), "--connections");
  const { resolveModel } = await import("../../hub/index.js");
  const path = await withDownload(source, (callbacks) =>
    resolveModel(source, { ...callbacks, signal, offline, refresh: true, connections: count }),
  );
  signal.throwIfAborted();
  if (json === true) writeJson({ model: source, path });
  else writeLines([path]);
}
