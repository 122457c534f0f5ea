import { readdirSync, readFileSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";

import { InvalidOptionError, LlamaError } from "../errors.js";
import type { Backend, GpuChoice, PassedOverBackend } from "./backends.js";
import { explainLoadFailure, explainNoDevice, explainOtherCpu, gpuBackends, gpuChoices, rebuild } from "./backends.js";
import type { NativeAddon, NativeSystemInfo } from "./contract.js";
import { missingInstructionSets } from "./instruction-sets.js";
import { packageRoot, requireOf } from "./own-package.js";

/** What the addon in use found on this machine, and why other addons that are built are not in use. */
export interface SystemInfo extends NativeSystemInfo {
  backend: Backend | "custom";
  passedOver: readonly PassedOverBackend[];
}

interface Loaded {
  readonly addon: NativeAddon;
  readonly backend: SystemInfo["backend"];
  readonly passedOver: readonly PassedOverBackend[];
}

/** By what was asked for; one instance of an addon for each thread. */
const loaded = new Map<GpuChoice, Loaded>();

/**
 * The addon for a kind of GPU, or for the best that works here, loaded on the first call. `LLAMA_NATIVE_GPU` says which
 * where `gpu` does not; `LLAMA_NATIVE_ADDON` names a file to load in place of all of them.
 *
 * Throws `NOT_BUILT` where there is no addon, and `BACKEND_UNAVAILABLE` where none can be loaded on this system or the one
 * that was asked for cannot be used.
 */
export function loadAddon(gpu: GpuChoice = readGpuChoice()): NativeAddon {
  return load(gpu).addon;
}

/** What the addon found on this machine: llama.cpp's version, CPU features in use, devices and their memory as it is now. */
export function systemInfo(gpu: GpuChoice = readGpuChoice()): SystemInfo {
  const { addon, backend, passedOver } = load(gpu);
  return { ...addon.systemInfo({}), backend, passedOver };
}

/** Absolute path of the addon that {@link loadAddon} loads for a backend, whether it exists or not. */
export function addonPath(backend: Backend = "cpu"): string {
  return customPath() ?? join(addonFolder(), backend, "llama-native.node");
}

/** Where the build puts addons: `<folder>/<backend>/llama-native.node`. */
export function addonFolder(): string {
  const explicit = process.env["LLAMA_NATIVE_OUT_DIR"];
  return explicit ? resolve(explicit) : join(packageRoot(), "native", "dist");
}

function load(gpu: GpuChoice): Loaded {
  let found = loaded.get(gpu);
  if (found === undefined) {
    found = choose(gpu);
    loaded.set(gpu, found);
  }
  return found;
}

function readGpuChoice(): GpuChoice {
  const value = process.env["LLAMA_NATIVE_GPU"];
  if (value === undefined || value === "") return "auto";
  const choice = gpuChoices.find((known) => known === value);
  if (choice === undefined) throw new InvalidOptionError("LLAMA_NATIVE_GPU", `one of ${gpuChoices.join(", ")}`, value);
  return choice;
}

function choose(gpu: GpuChoice): Loaded {
  const custom = customPath();
  if (custom !== undefined) return loadCustom(custom, gpu);
  const built = listBuilt();
  if (gpu === "cpu") return loadForCpu(built, []);
  if (gpu !== "auto") return loadAsked(gpu, built);
  const passedOver: PassedOverBackend[] = [];
  for (const backend of gpuBackends) {
    if (!built.includes(backend)) continue;
    const attempt = tryGpu(backend);
    if ("addon" in attempt) return { ...attempt, backend, passedOver };
    passedOver.push(attempt);
  }
  return loadForCpu(built, passedOver);
}

/** The only look at the disk that a machine without GPUs pays for. */
function listBuilt(): string[] {
  try {
    return readdirSync(addonFolder());
  } catch {
    return []; // nothing was ever built
  }
}

function loadForCpu(built: readonly string[], passedOver: readonly PassedOverBackend[]): Loaded {
  const path = addonPath();
  if (!built.includes("cpu")) throw notBuilt(path);
  return { addon: requireAddon(path), backend: "cpu", passedOver };
}

function loadAsked(backend: Exclude<GpuChoice, "auto" | "cpu">, built: readonly string[]): Loaded {
  const attempt = built.includes(backend) ? tryGpu(backend) : whyNotBuilt(backend);
  if ("addon" in attempt) return { ...attempt, backend, passedOver: [] };
  throw unavailable(attempt);
}

/** `LLAMA_NATIVE_ADDON` is taken as it is, but not for a GPU that it does not have. */
function loadCustom(path: string, gpu: GpuChoice): Loaded {
  const addon = requireAddon(path);
  if (gpu !== "auto" && gpu !== "cpu" && !hasGpu(addon)) throw unavailable(explainNoDevice(gpu));
  return { addon, backend: "custom", passedOver: [] };
}

function tryGpu(backend: Backend): { addon: NativeAddon } | PassedOverBackend {
  const path = join(addonFolder(), backend, "llama-native.node");
  const missing = missingInstructionSets(path);
  if (missing.length > 0) return explainOtherCpu(backend, missing);
  try {
    const addon = requireFile(path);
    return hasGpu(addon) ? { addon } : explainNoDevice(backend);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return whyNotBuilt(backend);
    return explainLoadFailure(backend, error instanceof Error ? error.message : String(error));
  }
}

function hasGpu(addon: NativeAddon): boolean {
  return addon.systemInfo({}).devices.some(({ type }) => type === "gpu" || type === "integrated-gpu");
}

function whyNotBuilt(backend: Backend): PassedOverBackend {
  const note = readNote(join(addonFolder(), backend, "not-built.json"));
  const message = note?.message.replace(/^llama-native: /, "");
  return { backend, reason: message ?? "its addon is not built", advice: rebuild(backend) };
}

function unavailable({ backend, reason, advice }: PassedOverBackend): LlamaError {
  const message = `The backend ${backend} cannot be used: ${reason}`;
  const remedy = reason.includes("llama-native build") ? "" : `; ${advice}`;
  return new LlamaError("BACKEND_UNAVAILABLE", `${message}${remedy}`, { details: { backend, reason, advice } });
}

function customPath(): string | undefined {
  const explicit = process.env["LLAMA_NATIVE_ADDON"];
  if (explicit === undefined || explicit === "") return undefined;
  return isAbsolute(explicit) ? explicit : resolve(explicit);
}

function requireAddon(path: string): NativeAddon {
  const missing = missingInstructionSets(path);
  if (missing.length > 0) {
    const { reason, advice } = explainOtherCpu("cpu", missing);
    throw new LlamaError("BACKEND_UNAVAILABLE", `The addon ${path} cannot be used: ${reason}; ${advice}`, {
      details: { path, reason, advice },
    });
  }
  try {
    return requireFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") throw notBuilt(path);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LlamaError("BACKEND_UNAVAILABLE", `The addon ${path} cannot be loaded: ${reason}`, {
      cause,
      details: { path },
    });
  }
}

function requireFile(path: string): NativeAddon {
  return requireOf(path)(path) as NativeAddon; // not import.meta.url, which a bundle in CommonJS does not have
}

function notBuilt(path: string): LlamaError {
  const note = readNote(join(addonFolder(), "not-built.json"));
  const message = note?.message ?? `The native addon is not built: there is no ${path}; run \`npx llama-native build\``;
  return new LlamaError("NOT_BUILT", message, { details: { path, reason: note?.reason ?? "missing" } });
}

/** What the install left behind where it could not build: `{reason, message}`. */
function readNote(file: string): { reason: string; message: string } | undefined {
  try {
    const note = JSON.parse(readFileSync(file, "utf8")) as { reason?: unknown; message?: unknown };
    if (typeof note.message !== "string") return undefined;
    return { reason: typeof note.reason === "string" ? note.reason : "unknown", message: note.message };
  } catch {
    return undefined; // no note, or one cut short: the general message says enough
  }
}
