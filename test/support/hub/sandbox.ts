import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { cacheDir } from "../../../scripts/lib/paths.mjs";

/** Of the machine and not of the sandbox, so that each model is written once. */
const testModels = process.env["LLAMA_NATIVE_TEST_MODELS"] ?? join(cacheDir(), "test-models");

const variables = [
  ...[
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_TOKEN",
    "HF_TOKEN_PATH",
    "HF_HUB_OFFLINE",
    "HF_HUB_DOWNLOAD_TIMEOUT",
  ],
  ...["LLAMA_NATIVE_TEST_MODELS", "LLAMA_NATIVE_CACHE_DIR", "OLLAMA_MODELS"],
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"],
];

export interface Sandbox {
  folder: string;
  /** For the variables of this process, and of children. */
  env: Record<string, string | undefined>;
  /** Puts the variables as they were, and removes the folder. */
  leave(): Promise<void>;
}

/** A folder with empty caches, to which this process's variables lead. */
export async function enterSandbox(endpoint: string): Promise<Sandbox> {
  const folder = await mkdtemp(join(tmpdir(), "llama-native-hub-"));
  const saved = Object.fromEntries(variables.map((name) => [name, process.env[name]]));
  const env: Record<string, string | undefined> = {
    ...Object.fromEntries(variables.map((name) => [name, undefined])),
    HF_ENDPOINT: endpoint,
    HF_HOME: join(folder, "huggingface"),
    LLAMA_NATIVE_CACHE_DIR: join(folder, "own"),
    LLAMA_NATIVE_TEST_MODELS: testModels,
    OLLAMA_MODELS: join(folder, "ollama"),
    NO_PROXY: "127.0.0.1,localhost",
  };
  setVariables(env);
  return {
    folder,
    env,
    async leave() {
      setVariables(saved);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function setVariables(values: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  }
}
