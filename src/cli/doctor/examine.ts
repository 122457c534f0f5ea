import { cpus, freemem, totalmem } from "node:os";

import { packageVersion } from "../../native/own-package.js";
import { llamaCppVersion } from "../package-facts.js";
import type { AddonFacts } from "./addon-facts.js";
import { examineAddon } from "./addon-facts.js";
import type { BuildFacts } from "./build-facts.js";
import { examineBuild } from "./build-facts.js";
import type { CacheFacts } from "./cache-facts.js";
import { measureCache } from "./cache-facts.js";
import type { GpuFacts } from "./gpu-facts.js";
import { examineGpus } from "./gpu-facts.js";
import type { ToolchainFacts } from "./toolchain-facts.js";
import { findToolchain } from "./toolchain-facts.js";

/** What `doctor` finds out. Sizes in bytes. */
export interface Examination {
  readonly package: { readonly version: string; readonly llamaCpp: string };
  readonly node: { readonly version: string; readonly platform: string; readonly path: string };
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly freeBytes: number;
  };
  readonly addon: AddonFacts;
  readonly gpus: readonly GpuFacts[];
  readonly cache: CacheFacts;
  readonly toolchain: ToolchainFacts;
  readonly build: BuildFacts;
  /** Whether models can be run. */
  readonly ok: boolean;
  readonly verdict: string;
}

export async function examine(): Promise<Examination> {
  const [llamaCpp, addon, cache, toolchain, build] = await Promise.all([
    llamaCppVersion(),
    examineAddon(),
    measureCache(),
    findToolchain(),
    examineBuild(),
  ]);
  const gpus = await examineGpus(addon.system?.backend);
  const processors = cpus();
  const ok = addon.error === null;
  return {
    package: { version: packageVersion, llamaCpp },
    node: { version: nodeVersion(), platform: `${process.platform}-${process.arch}`, path: process.execPath },
    machine: {
      cpu: processors[0]?.model ?? "unknown",
      cores: processors.length,
      memoryBytes: totalmem(),
      freeBytes: freemem(),
    },
    addon,
    gpus,
    cache,
    toolchain,
    build,
    ok,
    verdict:
      addon.error === null
        ? "Ready: models can be run."
        : `Models cannot be run: ${addon.error.message.replace(/^llama-native: /, "")}`,
  };
}

/** Bun names the release of Node whose interfaces it has. */
function nodeVersion(): string {
  const { bun } = process.versions;
  return bun === undefined ? process.version : `${process.version} as Bun ${bun} has it`;
}
