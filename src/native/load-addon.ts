import { existsSync, readdirSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";

import { InvalidOptionError, LlamaError } from "../errors.js";
import type { Backend, GpuChoice, PassedOverBackend } from "./backends.js";
import {
  explainBroken,
  explainLoadFailure,
  explainNoDevice,
  explainOtherCpu,
  gpuBackends,
  gpuChoices,
  rebuild,
} from "./backends.js";
import type { NativeAddon, NativeDevice, NativeSystemInfo } from "./contract.js";
import { callAddon } from "./errors.js";
import { missingInstructionSets } from "./instruction-sets.js";
import { packageRoot, packageVersion, requireOf } from "./own-package.js";
import { findPrebuilt } from "./prebuilt.js";
import { readJson } from "./read-json.js";

/** What the addon in use found on this machine, and why other addons that are there are not in use. */
export interface SystemInfo extends NativeSystemInfo {
  backend: Backend | "custom";
  addon: AddonPlace;
  passedOver: readonly PassedOverBackend[];
}

/** Where an addon lies. */
export interface AddonPlace {
  path: string;
  /** Built on this machine, taken from an installed package, or named by `LLAMA_NATIVE_ADDON`. */
  origin: "built" | "prebuilt" | "custom";
  /** The package's name where it is `prebuilt`, else null. */
  package: string | null;
}

/** A place to load from; `problem` says why not. */
interface Place extends AddonPlace {
  readonly problem: string | null;
}

interface Loaded {
  readonly addon: NativeAddon;
  readonly place: AddonPlace;
  readonly backend: SystemInfo["backend"];
  readonly passedOver: readonly PassedOverBackend[];
}

/** What an install leaves where it could not build. */
const noteName = "not-built.json";

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
  const { addon, place, backend, passedOver } = load(gpu);
  const { path, origin, package: name } = place;
  return { ...askSystem(addon), backend, addon: { path, origin, package: name }, passedOver };
}

/** Throws `BACKEND_UNAVAILABLE` where a device's driver fails. */
export function devicesOf(addon: NativeAddon): NativeDevice[] {
  return askSystem(addon).devices;
}

function askSystem(addon: NativeAddon): NativeSystemInfo {
  return callAddon(() => addon.systemInfo({}));
}

/**
 * Absolute path of the addon that this machine builds for a backend, whether it exists or not; {@link loadAddon} takes it before
 * those of packages.
 */
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
    const found = tryGpu(backend, built, passedOver);
    if (found !== undefined) return found;
  }
  return loadForCpu(built, passedOver);
}

/** What this machine has built; most machines pay for this look at the disk and for that at installed packages alone. */
function listBuilt(): string[] {
  try {
    return readdirSync(addonFolder());
  } catch {
    return []; // nothing was ever built
  }
}

/** Where a backend's addon may be taken from, this machine's own build before that of a package. */
function placesOf(backend: Backend, built: readonly string[]): Place[] {
  const prebuilt = findPrebuilt(backend);
  const own = join(addonFolder(), backend, "llama-native.node");
  // A folder with a note alone says why there was nothing better than the package.
  const isOwn = built.includes(backend) && (prebuilt === undefined || existsSync(own));
  return [
    ...(isOwn ? [{ path: own, origin: "built" as const, package: null, problem: otherVersion(own) }] : []),
    ...(prebuilt === undefined
      ? []
      : [{ path: prebuilt.path, origin: "prebuilt" as const, package: prebuilt.name, problem: prebuilt.problem }]),
  ];
}

/** Of an addon that was built by another version of this package, which `LLAMA_NATIVE_OUT_DIR` may outlive; else null. */
function otherVersion(path: string): string | null {
  const version = readJson(join(dirname(path), "build.json"))?.["version"];
  if (typeof version !== "string" || version === packageVersion) return null;
  return `it was built for version ${version} of llama-native, and this is ${packageVersion}`;
}

function loadForCpu(built: readonly string[], passedOver: readonly PassedOverBackend[]): Loaded {
  const failures: LlamaError[] = [];
  for (const place of placesOf("cpu", built)) {
    try {
      const addon = requireAddon(place);
      return { addon, place, backend: "cpu", passedOver: [...passedOver, ...failures.map(asPassedOver)] };
    } catch (error) {
      if (!(error instanceof LlamaError)) throw error;
      failures.push(error);
    }
  }
  const [failure] = failures;
  // Where the install tried to build after all, what it left behind says most.
  if (failure === undefined || !built.includes("cpu") || built.includes(noteName)) throw notBuilt(addonPath(), failure);
  throw failure;
}

/** Of the CPU's addon, once another one serves. */
function asPassedOver({ message }: LlamaError): PassedOverBackend {
  return { backend: "cpu", reason: message, advice: rebuild("cpu") };
}

function loadAsked(backend: Exclude<GpuChoice, "auto" | "cpu">, built: readonly string[]): Loaded {
  const passedOver: PassedOverBackend[] = [];
  const found = tryGpu(backend, built, passedOver);
  if (found !== undefined) return found;
  throw unavailable(passedOver[0] ?? whyNotBuilt(backend));
}

/** `LLAMA_NATIVE_ADDON` is taken as it is, but not for a GPU that it does not have. */
function loadCustom(path: string, gpu: GpuChoice): Loaded {
  const place = { path, origin: "custom" as const, package: null, problem: null };
  const addon = requireAddon(place);
  const problem = gpu === "auto" || gpu === "cpu" ? undefined : whyNoGpu(gpu, addon);
  if (problem !== undefined) throw unavailable(problem);
  return { addon, place, backend: "custom", passedOver: [] };
}

/** Adds to `passedOver` why each addon that is there does not serve. */
function tryGpu(backend: Backend, built: readonly string[], passedOver: PassedOverBackend[]): Loaded | undefined {
  const failures: PassedOverBackend[] = [];
  for (const place of placesOf(backend, built)) {
    const attempt = tryPlace(backend, place);
    if ("addon" in attempt) return { ...attempt, place, backend, passedOver: [...passedOver, ...failures] };
    failures.push(attempt);
  }
  passedOver.push(...failures);
  return undefined;
}

function tryPlace(backend: Backend, place: Place): { addon: NativeAddon } | PassedOverBackend {
  const { path, origin, problem } = place;
  if (problem !== null) {
    if (origin === "built") return whyNotBuilt(backend, problem);
    return { backend, reason: problem, advice: renew(backend, place) };
  }
  const missing = missingInstructionSets(path);
  if (missing.length > 0) return explainOtherCpu(backend, missing);
  try {
    const addon = requireFile(path);
    return whyNoGpu(backend, addon) ?? { addon };
  } catch (error) {
    if (isMissing(error) && origin === "built") return whyNotBuilt(backend);
    return explainLoadFailure(backend, error instanceof Error ? error.message : String(error));
  }
}

/** Undefined where it has one. */
function whyNoGpu(backend: Backend, addon: NativeAddon): PassedOverBackend | undefined {
  const { devices, backendWarnings } = askSystem(addon);
  const hasGpu = devices.some(({ type }) => type === "gpu" || type === "integrated-gpu");
  return hasGpu ? undefined : explainNoDevice(backend, backendWarnings);
}

/** What the install left behind, else `otherwise`. */
function whyNotBuilt(backend: Backend, otherwise = "its addon is not built"): PassedOverBackend {
  const note = readNote(join(addonFolder(), backend, noteName));
  const message = note?.message.replace(/^llama-native: /, "");
  return { backend, reason: message ?? otherwise, advice: rebuild(backend) };
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

function requireAddon(place: Place): NativeAddon {
  const { path, origin, problem } = place;
  if (problem !== null) throw refused(path, problem, renew("cpu", place));
  const missing = missingInstructionSets(path);
  if (missing.length > 0) {
    const { reason, advice } = explainOtherCpu("cpu", missing);
    throw refused(path, reason, advice);
  }
  try {
    const addon = requireFile(path);
    // A package's kernels lie in files of their own, which are loaded now: where none runs here, another addon may.
    if (origin === "prebuilt") askSystem(addon);
    return addon;
  } catch (cause) {
    if (isMissing(cause) && origin !== "prebuilt") throw notBuilt(path);
    const { reason, advice } = explainBroken(cause instanceof Error ? cause.message : String(cause));
    const remedy = origin === "custom" ? "LLAMA_NATIVE_ADDON names it" : advice;
    throw new LlamaError("BACKEND_UNAVAILABLE", `The addon ${path} cannot be loaded: ${reason}; ${remedy}`, {
      cause,
      details: { path },
    });
  }
}

/** Of what is of another version. */
function renew(backend: Backend, { package: name }: Place): string {
  return name === null ? rebuild(backend) : `run \`npm install ${name}@${packageVersion}\``;
}

function refused(path: string, reason: string, advice: string): LlamaError {
  const message = `The addon ${path} cannot be used: ${reason}; ${advice}`;
  return new LlamaError("BACKEND_UNAVAILABLE", message, { details: { path, reason, advice } });
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND";
}

function requireFile(path: string): NativeAddon {
  return requireOf(path)(path) as NativeAddon; // not import.meta.url, which a bundle in CommonJS does not have
}

/** `packaged` is why a package's addon does not serve in its place. */
function notBuilt(path: string, packaged?: LlamaError): LlamaError {
  const note = readNote(join(addonFolder(), noteName));
  if (note === undefined && packaged !== undefined) return packaged;
  const message = note?.message ?? `The native addon is not built: there is no ${path}; run \`npx llama-native build\``;
  const also = packaged === undefined ? "" : `\n${packaged.message}`;
  return new LlamaError("NOT_BUILT", message + also, { details: { path, reason: note?.reason ?? "missing" } });
}

/** What the install left behind where it could not build: `{reason, message}`. */
function readNote(file: string): { reason: string; message: string } | undefined {
  const note = readJson(file);
  if (typeof note?.["message"] !== "string") return undefined;
  return { reason: typeof note["reason"] === "string" ? note["reason"] : "unknown", message: note["message"] };
}
