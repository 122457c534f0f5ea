import type { Command } from "commander";

export function defineModels(_command: Command): void {
  throw new Error("not yet");
}
