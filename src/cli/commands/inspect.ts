import type { Command } from "commander";

import { addVerboseFlag } from "../generation-flags.js";
import { inspectFiles } from "../inspection/inspect-files.js";
import { describeFile } from "../inspection/describe-file.js";
import { resolveFile } from "../open-model.js";
import { writeJson, writeLines } from "../output.js";
import { Stops } from "../stops.js";

interface InspectFlags {
  readonly json?: boolean;
}

export function defineInspect(command: Command): void {
  command
    .option("--json", "print one JSON document, with every value in full")
    .action((model: string, flags: InspectFlags) => Stops.during(({ signal }) => inspect(model, flags, signal)));
  addVerboseFlag(command);
}

async function inspect(source: string, flags: InspectFlags, signal: AbortSignal): Promise<void> {
  const model = await inspectFiles(await resolveFile(source, signal));
  signal.throwIfAborted();
  if (flags.json === true) writeJson(model);
  else writeLines(describeFile(model));
}
