import type { Command } from "commander";

import { examine } from "../doctor/examine.js";
import { describeExamination } from "../doctor/describe-examination.js";
import { addVerboseFlag } from "../generation-flags.js";
import { writeJson, writeLines } from "../output.js";

export function defineDoctor(command: Command): void {
  command.option("--json", "print one JSON document").action(async ({ json }: { json?: boolean }) => {
    const examination = await examine();
    if (json === true) writeJson(examination);
    else writeLines(describeExamination(examination));
    process.exitCode = examination.ok ? 0 : 1;
  });
  addVerboseFlag(command);
}
