import type { Command } from "commander";

import { addVerboseFlag } from "../generation-flags.js";
import { writeJson, writeLines } from "../output.js";
import { Stops } from "../stops.js";

interface CommonFlags {
  readonly json?: boolean;
}

interface ListFlags extends CommonFlags {
  readonly known?: boolean;
}

interface ShowFlags extends CommonFlags {
  readonly offline?: boolean;
}

interface RemoveFlags extends CommonFlags {
  readonly dryRun?: boolean;
  readonly all?: boolean;
}

export function defineModels(models: Command): void {
  const json = "print one JSON document";
  models.addHelpText("after", "\nEach has a --help of its own.");
  const list = models.command("list").description("models on this disk: in the hub's cache, in ours, and Ollama's");
  list
    .option("--known", "models that are known by name instead, on this disk or not")
    .option("--json", json)
    .action((flags: ListFlags) => listModels(flags));
  const show = models.command("show <model>").description("a model at a glance, and the memory that it needs");
  show
    .option("--offline", "take only what is on this disk, and ask nothing of the network")
    .option("--json", json)
    .action((model: string, flags: ShowFlags) => Stops.during(({ signal }) => showModel(model, flags, signal)));
  const remove = models.command("rm <model>").description("remove a model from this disk");
  remove
    .option("--all", "remove every quantization and file that the name may mean")
    .option("--dry-run", "say what would be removed")
    .option("--json", json)
    .action((model: string, flags: RemoveFlags) => removeModel(model, flags));
  const where = models
    .command("where [model]")
    .description("the file of a model, or the folders that models are kept in");
  where.option("--json", json).action((model: string | undefined, flags: CommonFlags) => showWhere(model, flags));
  for (const command of [list, show, remove, where]) addVerboseFlag(command);
}

async function listModels({ known, json }: ListFlags): Promise<void> {
  const { describeInstalled, describeKnown, knownModelsForJson } = await import("../models/list.js");
  if (known === true) {
    if (json === true) writeJson(knownModelsForJson());
    else writeLines(describeKnown());
    return;
  }
  const { installedModels } = await import("../../hub/installed.js");
  const models = await installedModels();
  if (json === true) writeJson(models);
  else writeLines(describeInstalled(models));
}

async function showModel(source: string, { offline, json }: ShowFlags, signal: AbortSignal): Promise<void> {
  const [{ overviewOf }, { describeOverview }] = await Promise.all([
    import("../models/overview.js"),
    import("../models/describe-overview.js"),
  ]);
  const overview = await overviewOf(source, { offline, signal });
  signal.throwIfAborted();
  if (json === true) writeJson(overview);
  else writeLines(describeOverview(overview));
}

async function removeModel(source: string, { all, dryRun, json }: RemoveFlags): Promise<void> {
  const [{ removeInstalled }, { formatBytes }] = await Promise.all([
    import("../../hub/installed.js"),
    import("../format.js"),
  ]);
  const removed = await removeInstalled(source, { dryRun: dryRun === true, all: all === true });
  if (json === true) writeJson(removed);
  else {
    const done = dryRun === true ? "Would remove" : "Removed";
    writeLines([...removed.paths.map((path) => `${done} ${path}`), `${formatBytes(removed.freedBytes)} in all`]);
  }
}

async function showWhere(source: string | undefined, { json }: CommonFlags): Promise<void> {
  if (source === undefined) {
    const { modelFolders } = await import("../../hub/installed.js");
    const folders = modelFolders();
    if (json === true) writeJson(folders);
    else writeLines(folders.map(({ holds, path }) => `${path}  (${holds})`));
    return;
  }
  const { installedFile } = await import("../../hub/installed.js");
  const path = await installedFile(source);
  if (json === true) writeJson({ model: source, path });
  else writeLines([path]);
}
